/*
 * address.js - what a person types as an address, and the websocket URL that is meant
 *
 * "host", "host:port", "http(s)://…" and "ws(s)://…" all work. Pure: no page, no network.
 */
"use strict";

var tetherAddress = {
  /* Returns {url} or {fault: words}. */
  parse: function (text, defaultPort) {
    var given = String(text).trim();
    if (given === "") return { fault: "Enter an address, such as 203.0.113.5." };
    var scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(given);
    var secure = false;
    if (scheme) {
      var name = scheme[1].toLowerCase();
      if (["ws", "wss", "http", "https"].indexOf(name) < 0) return { fault: "“" + name + "://” is not a websocket address." };
      secure = name === "wss" || name === "https";
      given = given.slice(scheme[0].length);
    }
    var parts = /^(\[[0-9a-f:.]+\]|[^\s\/:?#@\[\]]+)(?::([0-9]{1,5}))?(\/[^\s#]*)?$/i.exec(given);
    if (!parts) return { fault: "“" + text + "” is not an address such as 203.0.113.5 or example.net:8080." };
    var port = parts[2] ? Number(parts[2]) : secure ? 443 : defaultPort;
    if (port < 1 || port > 65535) return { fault: "Port " + parts[2] + " does not exist: 1 to 65535." };
    var path = parts[3] && parts[3] !== "/" ? parts[3] : "/websocket";
    return { url: (secure ? "wss://" : "ws://") + parts[1] + ":" + port + path };
  },

  /* The server that a link from another page names: #server=ws%3A%2F%2F… ; "" when none or nonsense. */
  fromHash: function (hash) {
    var found = /[#&]server=([^&]*)/.exec(hash);
    if (!found) return "";
    try {
      return this.parse(decodeURIComponent(found[1]), 8080).url || "";
    } catch (error) {
      return "";
    }
  },

  /* The laptop's page for a laptop's websocket URL, with the server filled in. */
  laptopPage: function (laptopUrl, serverUrl) {
    return laptopUrl.replace(/^ws/, "http").replace(/\/websocket\/?$/, "/") +
      (serverUrl ? "#server=" + encodeURIComponent(serverUrl) : "");
  }
};
