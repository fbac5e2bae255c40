/*
 * hub.js - the page around the hub: which nodes, a light for each, and what is wrong in words
 *
 * The node that serves the page is its first leg; further ones are kept in the address after '#', so that a reload, and the page of another
 * node, has them too.
 *
 * Elements that tests may rely on: #legs > li (data-state off|connecting|up|error, data-url, data-node, .what .word .remove),
 * #end-to-end, #message, #go-to-node, #bytes #speed, #start, #add, #node-name #node-address #node-fault #connect.
 */
"use strict";

(function () {
  var POLL_MS = 1000, SESSION_MS = 8000, parts = tetherParts, byId = parts.byId;
  var PRIVATE = /^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|localhost|\[f[cde])/i;

  var told = null, tellFails = 0, legs = [], nextId = 1, hub = null, last = { bytes: 0, at: 0 };

  /* --- lights and words --- */

  var LEG_WORDS = { up: "connected", connecting: "connecting …", error: "not reached", off: "not connected" };

  function showLeg(leg) {
    var shown = leg.failure && leg.state !== "up" ? "error" : leg.state;
    var word = LEG_WORDS[shown];
    if (shown === "error" && leg.failure.again) word += ", trying again";
    if (shown === "up" && !leg.own && told && !told.plain) {
      word = endWord(leg.node);
      if (!word) {
        shown = Date.now() - leg.upSince < SESSION_MS ? "connecting" : "error";
        word = shown === "error" ? "no session: has it the same key?" : "waiting for its session";
      }
    }
    parts.light(leg.item, shown, word);
    leg.item.setAttribute("data-node", leg.node || "");
  }

  /* What the node of this page says of another one. */
  function endWord(node) {
    var one = (told.nodes || []).filter(function (n) { return n.node === node; })[0];
    if (!one || one.state !== "up") return "";
    return "connected" + (typeof one.rtt_ms === "number" ? ", " + one.rtt_ms.toFixed(1) + " ms" : "");
  }

  function upCount() {
    return legs.filter(function (leg) { return leg.state === "up"; }).length;
  }

  function showEnd() {
    var nodes = told && told.nodes ? told.nodes.filter(function (n) { return n.state === "up"; }).length : 0, item = byId("end-to-end");
    if (told && parts.END_WORDS[told.state]) parts.light(item, "error", told.state.replace("-", " "));
    else if (told && told.plain && upCount() > 1) parts.light(item, "up", "connected, plain");
    else if (told && !told.plain && told.state === "up" && upCount() > 1)
      parts.light(item, "up", nodes + (nodes === 1 ? " other node" : " other nodes") + ", encrypted");
    else if (upCount() > 0) parts.light(item, "connecting", upCount() > 1 ? "connecting …" : "waiting for another node");
    else parts.light(item, "off", "not connected");
  }

  function failureWords(leg) {
    var words = parts.END_WORDS[parts.CODE_STATES[leg.failure.code]];
    if (words) return leg.name + ": " + words;
    if (leg.failure.code === 4008) return leg.name + " is a second address of a node that is connected already. Remove one of the two.";
    if (leg.failure.code === 0) return "The browser refuses the address of " + leg.name + ": " + leg.failure.reason;
    if (refusedByBrowser(leg)) return "Browsers do not let a page from the internet reach a private address such as that of " + leg.name +
      ". Join its network, then tap the button: it has this page too, and from there it works.";
    if (!leg.failure.wasOpen) return leg.name + " (" + parts.host(leg.url) + ") cannot be reached. Is tether running there with --tap?";
    return "The connection to " + leg.name + " ended" + (leg.failure.reason ? " (" + leg.failure.reason + ")" : "") + ". Trying again.";
  }

  function refusedByBrowser(leg) {
    return !leg.failure.wasOpen && PRIVATE.test(parts.host(leg.url)) && !PRIVATE.test(location.host);
  }

  /* The one sentence that helps most now. */
  function wordsForNow(worst) {
    if (tellFails >= 2) return "The machine that served this page does not answer. Is this phone still on its network, and is tether running?";
    if (told && parts.END_WORDS[told.state]) return parts.END_WORDS[told.state];
    if (worst) return failureWords(worst);
    return legs.length < 2 ? "Which machines? Add the address of another node below." : "";
  }

  function show() {
    legs.forEach(showLeg);
    showEnd();
    var worst = legs.filter(function (leg) { return leg.failure && leg.state !== "up"; })[0];
    parts.message(wordsForNow(worst), worst || tellFails ? "error" : "hint");
    var go = byId("go-to-node");
    go.hidden = !(worst && refusedByBrowser(worst));
    if (!go.hidden) go.href = worst.url.replace(/^ws/, "http").replace(/\/websocket\/?$/, "/hub.html") + hashOf(worst, true);
  }

  /* --- legs --- */

  function hashOf(but, withOwn) {
    var words = legs.filter(function (leg) { return leg !== but && (withOwn || !leg.own); }).map(function (leg) {
      return "leg=" + encodeURIComponent((leg.own ? location.hostname : leg.name) + "@" + leg.url);
    });
    return words.length ? "#" + words.join("&") : "";
  }

  function legsOfHash() {
    var found = [];
    location.hash.slice(1).split("&").forEach(function (word) {
      var match = /^leg=(.*)$/.exec(word), parsed, text;
      try {
        text = match && decodeURIComponent(match[1]);
      } catch (error) {
        text = null;
      }
      if (!text) return;
      parsed = tetherAddress.parse(text.slice(text.lastIndexOf("@") + 1), 8080);
      if (parsed.url) found.push({ name: text.slice(0, Math.max(0, text.lastIndexOf("@"))).slice(0, 40), url: parsed.url });
    });
    return found;
  }

  function itemOf(leg) {
    var item = document.createElement("li");
    [["span", "dot", ""], ["span", "what", leg.name], ["span", "word", ""], ["button", "remove", "Remove"]].forEach(function (part) {
      var element = document.createElement(part[0]);
      element.className = part[1];
      element.textContent = part[2];
      if (part[1] === "dot") element.setAttribute("aria-hidden", "true");
      if (part[1] === "word") element.setAttribute("role", "status");
      if (part[1] === "remove") {
        element.type = "button";
        element.hidden = leg.own;
        element.setAttribute("aria-label", "Remove " + leg.name);
        element.addEventListener("click", function () { removeLeg(leg); });
      }
      item.appendChild(element);
    });
    item.title = leg.url;
    item.setAttribute("data-url", leg.url);
    return item;
  }

  function addLeg(name, url, own) {
    if (legs.some(function (leg) { return leg.url === url; })) return false;
    var leg = { id: nextId++, name: name || parts.host(url), url: url, own: !!own, state: "connecting", upSince: 0, failure: null, node: "" };
    leg.item = itemOf(leg);
    byId("legs").appendChild(leg.item);
    legs.push(leg);
    hub.send({ type: "add", id: leg.id, url: url });
    return true;
  }

  function removeLeg(leg) {
    legs.splice(legs.indexOf(leg), 1);
    byId("legs").removeChild(leg.item);
    hub.send({ type: "remove", id: leg.id });
    remember();
    show();
  }

  function remember() {
    history.replaceState(null, "", location.pathname + hashOf(null, false));
  }

  function onNews(news) {
    if (news.type === "counters") {
      showCounters(news);
      return;
    }
    var leg = legs.filter(function (one) { return one.id === news.id; })[0];
    if (!leg) return;
    if (news.state === "up" && leg.state !== "up") leg.upSince = Date.now();
    leg.state = news.state;
    leg.node = news.node;
    if (news.failure) leg.failure = news.failure;
    else if (news.node || (news.state === "up" && told && told.plain)) leg.failure = null; /* it refuses us, if at all, after it is up */
    show();
  }

  function showCounters(news) {
    var now = Date.now(), sum = 0;
    news.legs.forEach(function (leg) { sum += leg.to; });
    byId("bytes").textContent = parts.bytes(sum);
    if (last.at) byId("speed").textContent = parts.bytes(Math.max(0, sum - last.bytes) * 1000 / (now - last.at)) + "/s";
    last = { bytes: sum, at: now };
    document.body.setAttribute("data-counters", JSON.stringify(news));
  }

  /* --- life --- */

  function poll(then) {
    parts.ask(function (answer) {
      tellFails = answer ? 0 : tellFails + 1;
      told = answer || told;
      then();
    });
  }

  function pollAgain() {
    setTimeout(function () {
      if (document.visibilityState === "visible") poll(function () { show(); pollAgain(); });
      else pollAgain();
    }, POLL_MS);
  }

  function begin() {
    if (!told) {
      show();
      setTimeout(function () { poll(begin); }, POLL_MS);
      return;
    }
    hub.send({ type: "begin", plain: !!told.plain });
    addLeg("This machine", location.protocol.replace("http", "ws") + "//" + location.host + "/websocket", true);
    var others = legsOfHash();
    if (!others.length && told.server) others = [{ name: "", url: told.server }];
    others.forEach(function (other) { addLeg(other.name, other.url, false); });
    byId("add").open = legs.length < 2;
    show();
    pollAgain();
  }

  byId("form").addEventListener("submit", function (event) {
    event.preventDefault();
    var field = byId("node-address"), result = tetherAddress.parse(field.value, 8080);
    var fault = result.fault || (addLeg(byId("node-name").value.trim(), result.url, false) ? "" : "This address is there already.");
    field.setAttribute("aria-invalid", fault ? "true" : "false");
    byId("node-fault").textContent = fault;
    if (fault) return;
    field.value = byId("node-name").value = "";
    remember();
    show();
  });

  if (!window.WebSocket) {
    parts.message("This browser has no WebSocket. Update it, or open the page in another browser.", "error");
    return;
  }
  hub = parts.startWorker("hub-worker.js", "TetherHub", onNews);
  parts.stayAwake(function () { hub.send({ type: "retry" }); });
  poll(begin);
})();
