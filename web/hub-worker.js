/*
 * hub-worker.js - the hub: many websockets, each message of one passed to the one it is for
 *
 * Runs in a worker as relay-worker.js does. Each leg is on its own here: one that ends is opened again, the others go on. What decides is a board:
 *
 *   keyed  by the clear header in front of each message (docs/PROTOCOL.md): from which node, to which. A node lives at the leg that it
 *          spoke from first; only a node's announcement goes to all. The rest of the message is TLS between two nodes, and stays unread.
 *   plain  each message is a bare Ethernet frame, and this is a learning switch: addresses are learned from the sources; to all goes what is
 *          for a group or for an address not yet heard. An address that was heard at one leg is not believed from another for two seconds:
 *          so what comes back by another leg, through a wire behind both, ends here.
 *
 * Nothing ever goes back where it came from, and nothing is kept: a leg that is not open misses what is for it, and its node's TLS knows.
 *
 * In:  {type: "begin", plain}, {type: "add", id, url}, {type: "remove", id}, {type: "retry"}
 * Out: {type: "leg", id, state, node, failure}, {type: "counters", legs: [{id, from, to}], dropped, clashes, held}
 */
"use strict";

var TetherHub = function (report) {
  var BACKOFF_MIN_MS = 500, BACKOFF_MAX_MS = 15000, STEADY_MS = 5000, CONNECT_MS = 8000, COUNT_MS = 500, FRESH_MS = 1000;
  var STUCK = 64 * 1024 * 1024, LOOK_EVERY = 4 * 1024 * 1024;
  var MAGIC = 0xf7, HEADER = 12, ANNOUNCE = 1, GONE = 5, SAME_NODE = 4008;
  var STATIONS_MAX = 4096, HOLD_MS = 2000, IDLE_MS = 300000, ALL = {}, NOBODY = null;

  var legs = [], board = null, dropped = 0, clashes = 0, held = 0;

  /* --- boards: for whom is a message? A leg, ALL, or NOBODY --- */

  function keyedBoard() {
    var home = new Map(); /* node -> leg */

    return {
      route: function (leg, data) {
        if (typeof data === "string" || data.byteLength < HEADER) return NOBODY;
        var view = new DataView(data), kind = view.getUint8(1), from = view.getUint32(4), to = view.getUint32(8);
        if (view.getUint8(0) !== MAGIC || from === 0 || kind === GONE) return NOBODY;
        if (leg.node !== from && !this.settle(leg, from)) return NOBODY;
        if (to === 0) return kind === ANNOUNCE ? ALL : NOBODY;
        return home.get(to) || NOBODY;
      },

      /* A leg has one node. Which one, its first message says. */
      settle: function (leg, node) {
        if (leg.node) return false;
        if (home.has(node)) { /* two addresses of one machine: everything would come to it twice */
          clashes++;
          refuse(leg);
          return false;
        }
        home.set(node, leg);
        leg.node = node;
        tell(leg, null);
        return true;
      },

      /* The others need not wait for their timers. */
      ended: function (leg) {
        if (!leg.node) return;
        var word = new DataView(new ArrayBuffer(HEADER));
        word.setUint8(0, MAGIC);
        word.setUint8(1, GONE);
        word.setUint32(4, leg.node);
        home.delete(leg.node);
        leg.node = 0;
        toAll(leg, word.buffer);
      },

      tidy: function () {}
    };
  }

  function plainBoard() {
    var stations = new Map(); /* address -> {leg, at} */

    function address(view, at) {
      return view.getUint16(at) * 4294967296 + view.getUint32(at + 2);
    }

    function learn(leg, from, now) {
      var known = stations.get(from);
      if (!known) {
        if (stations.size < STATIONS_MAX) stations.set(from, { leg: leg, at: now });
        return true;
      }
      if (known.leg !== leg && now - known.at < HOLD_MS) return false;
      known.leg = leg;
      known.at = now;
      return true;
    }

    return {
      route: function (leg, data) {
        if (typeof data === "string" || data.byteLength < 14) return NOBODY;
        var view = new DataView(data), now = Date.now();
        if (view.getUint8(0) === MAGIC || view.getUint8(6) & 1) return NOBODY; /* a keyed node; no sender is a group */
        if (!learn(leg, address(view, 6), now)) {
          held++;
          return NOBODY;
        }
        if (view.getUint8(0) & 1) return ALL;
        var known = stations.get(address(view, 0));
        return known ? known.leg : ALL;
      },

      ended: function (leg) {
        stations.forEach(function (station, from) { if (station.leg === leg) stations.delete(from); });
      },

      tidy: function () {
        var now = Date.now();
        stations.forEach(function (station, from) { if (now - station.at > IDLE_MS) stations.delete(from); });
      }
    };
  }

  /* --- passing on --- */

  function pass(leg, data, bytes) {
    if (leg.state !== "up") {
      dropped++;
      return;
    }
    leg.socket.send(data);
    leg.to += bytes;
    leg.unseen += bytes;
    if (leg.unseen > LOOK_EVERY) { /* a timer would come too late here */
      leg.unseen = 0;
      if (leg.socket.bufferedAmount > STUCK) giveUp(leg, "stuck");
    }
  }

  function toAll(but, data) {
    for (var i = 0; i < legs.length; i++)
      if (legs[i] !== but && legs[i].state === "up") pass(legs[i], data, data.byteLength);
  }

  function onMessage(leg, data) {
    var bytes = typeof data === "string" ? data.length : data.byteLength, target = board.route(leg, data);
    leg.from += bytes;
    if (target === ALL) toAll(leg, data);
    else if (target && target !== leg) pass(target, data, bytes);
    else dropped++;
  }

  /* --- legs --- */

  function tell(leg, failure) {
    report({ type: "leg", id: leg.id, state: leg.state, node: leg.node ? ("0000000" + leg.node.toString(16)).slice(-8) : "", failure: failure });
  }

  function open(leg) {
    clearTimeout(leg.timer);
    leg.state = "connecting";
    leg.began = Date.now();
    leg.upSince = leg.node = leg.unseen = 0;
    try {
      leg.socket = new WebSocket(leg.url);
    } catch (error) { /* an address the browser will not even try, such as ws: from an https page */
      leg.state = "off";
      tell(leg, { code: 0, reason: String(error.message || error), wasOpen: false, again: false });
      return;
    }
    var socket = leg.socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = function () {
      leg.state = "up";
      leg.upSince = Date.now();
      tell(leg, null);
    };
    socket.onmessage = function (event) { onMessage(leg, event.data); };
    socket.onclose = function (event) { ended(leg, event.code, event.reason); };
    leg.timer = setTimeout(function () {
      if (leg.socket === socket && leg.state === "connecting") giveUp(leg, "no answer");
    }, CONNECT_MS);
    tell(leg, null);
  }

  function ended(leg, code, reason) {
    var wasOpen = leg.upSince > 0;
    leg.state = "off";
    leg.socket = null;
    clearTimeout(leg.timer);
    board.ended(leg);
    if (wasOpen && Date.now() - leg.upSince > STEADY_MS) leg.backoff = BACKOFF_MIN_MS;
    leg.timer = setTimeout(function () { open(leg); }, leg.backoff / 2 + Math.random() * leg.backoff / 2);
    leg.backoff = Math.min(leg.backoff * 2, BACKOFF_MAX_MS);
    tell(leg, { code: code, reason: reason, wasOpen: wasOpen, again: true });
  }

  function silence(leg) {
    leg.socket.onopen = leg.socket.onmessage = leg.socket.onclose = null;
  }

  /* A leg that does not end by itself is taken as ended now; its own close could wait for ever behind what is queued. */
  function giveUp(leg, words) {
    silence(leg);
    leg.socket.close();
    ended(leg, 1006, words);
  }

  function refuse(leg) {
    silence(leg);
    leg.socket.close(SAME_NODE, "the same node by another address");
    leg.backoff = BACKOFF_MAX_MS;
    ended(leg, SAME_NODE, "the same node by another address");
  }

  function remove(leg) {
    legs.splice(legs.indexOf(leg), 1);
    clearTimeout(leg.timer);
    if (leg.socket) {
      silence(leg);
      leg.socket.close(1000, "removed");
    }
    leg.state = "off";
    board.ended(leg);
  }

  function byId(id) {
    return legs.filter(function (leg) { return leg.id === id; })[0];
  }

  setInterval(function () {
    report({
      type: "counters", dropped: dropped, clashes: clashes, held: held,
      legs: legs.map(function (leg) { return { id: leg.id, from: leg.from, to: leg.to }; })
    });
  }, COUNT_MS);
  setInterval(function () { if (board) board.tidy(); }, 30000);

  return {
    receive: function (order) {
      if (order.type === "begin") {
        board = order.plain ? plainBoard() : keyedBoard();
      } else if (order.type === "add") {
        var leg = { id: order.id, url: order.url, from: 0, to: 0, backoff: BACKOFF_MIN_MS, timer: 0, socket: null, node: 0 };
        legs.push(leg);
        open(leg);
      } else if (order.type === "remove") {
        if (byId(order.id)) remove(byId(order.id));
      } else if (order.type === "retry") { /* the page came back to life: wait neither for a timer nor for a dead attempt */
        legs.forEach(function (one) {
          if (one.state === "up" || (one.state === "connecting" && Date.now() - one.began < FRESH_MS)) return;
          if (one.socket) {
            silence(one);
            one.socket.close();
          }
          one.backoff = BACKOFF_MIN_MS;
          open(one);
        });
      }
    }
  };
};

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  var hub = TetherHub(function (news) { self.postMessage(news); });
  self.onmessage = function (event) { hub.receive(event.data); };
}
