/*
 * parts.js - what both pages are made of: lights, words, numbers, the worker, and the button that keeps the screen on
 */
"use strict";

var tetherParts = {
  byId: function (id) { return document.getElementById(id); },

  /*
   * A worker, where there are workers; else the script itself, which defines `name`. Returns {send}. A page that is left may be kept, frozen,
   * its websockets open but deaf: they end with it, and all begins anew should it be shown again.
   */
  startWorker: function (file, name, onNews) {
    window.addEventListener("pageshow", function (event) { if (event.persisted) location.reload(); });
    if (window.Worker) {
      var worker = new Worker(file);
      worker.onmessage = function (event) { onNews(event.data); };
      window.addEventListener("pagehide", function () { worker.terminate(); });
      return { send: function (order) { worker.postMessage(order); } };
    }
    var queue = [], inner = null, script = document.createElement("script");
    script.src = file;
    script.onload = function () {
      inner = window[name](onNews);
      queue.forEach(function (order) { inner.receive(order); });
    };
    document.body.appendChild(script);
    return { send: function (order) { if (inner) inner.receive(order); else queue.push(order); } };
  },

  /* Texts are only touched when they change: a screen reader reads them out. */
  light: function (item, state, word) {
    var text = item.querySelector(".word");
    item.setAttribute("data-state", state);
    if (text.textContent !== word) text.textContent = word;
  },

  message: function (words, kind) {
    var box = this.byId("message");
    if (box.textContent !== words) box.textContent = words;
    box.setAttribute("data-kind", kind || "hint");
    box.hidden = words === "";
  },

  host: function (url) {
    return url.replace(/^wss?:\/\//, "").replace(/\/.*$/, "");
  },

  bytes: function (n) {
    var units = ["B", "kB", "MB", "GB", "TB"], i = 0;
    while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
    return (i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + " " + units[i];
  },

  /* GET tether.json; then(told or null, unreachable): unreachable when there was no answer at all, rather than one that is not ours. */
  ask: function (then) {
    var request = new XMLHttpRequest();
    request.open("GET", "tether.json");
    request.timeout = 3000;
    request.onloadend = function () {
      var told = null;
      try {
        told = JSON.parse(request.status === 200 ? request.responseText : "");
      } catch (error) { /* not ours */ }
      then(told, request.status === 0);
    };
    request.send();
  },

  /* The button, and what is to be done when the phone comes back to life. */
  stayAwake: function (onWakeUp) {
    var button = this.byId("start"), words = this.byId("awake"), video = this.byId("awake-video");
    button.addEventListener("click", function () {
      if (tetherAwake.wanted) {
        tetherAwake.stop();
        return;
      }
      tetherAwake.start(video, function (on, said) {
        button.setAttribute("aria-pressed", on ? "true" : "false");
        button.textContent = on ? "The screen stays on" : "Start: keep the screen on";
        words.textContent = said;
      });
    });
    function wakeUp() {
      if (document.visibilityState !== "visible") return;
      tetherAwake.hold();
      onWakeUp();
    }
    document.addEventListener("visibilitychange", wakeUp);
    window.addEventListener("online", wakeUp);
    window.addEventListener("pageshow", wakeUp);
  },

  END_WORDS: {
    "wrong-key": "Wrong key: the laptop and the server do not have the same key. On the laptop run tether client with the --key that the server printed.",
    "plain-mismatch": "One side runs with --plain and the other does not. Use it on both or on neither.",
    "layer-mismatch": "One side runs with --tap and the other does not. Use it on both or on neither.",
    "version": "The laptop and the server run different versions of tether. Update the older one.",
    "busy": "The server has no room for another laptop. Try again later."
  },
  CODE_STATES: { 4001: "busy", 4003: "wrong-key", 4005: "version", 4006: "plain-mismatch", 4007: "layer-mismatch" }
};
