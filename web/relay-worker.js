/*
 * relay-worker.js - the pipe: two websockets, every message of one sent on the other, unread
 *
 * Runs in a worker, so that a busy page delays nothing; app.js can also load it as a plain script where workers are missing.
 * The two ends speak TLS through us: a lost or repeated message would break it. So the legs are a pair. They open together, what comes
 * before the other leg is open waits (bounded), and when one closes, the other is closed too and both start afresh.
 *
 * A leg's feed: each message costs a browser an event, a buffer of fresh memory and its disposal. A body that is read into the same buffer again
 * and again costs less. So where the browser can, and the ends' messages are pieces of a stream anyway (not with --plain), we ask the leg's address by
 * fetch as well, with a token that names the websocket. The body begins with a word. That it came shows that nobody on the way holds bodies back; we say it on
 * the websocket, the end says it too as its last message there, and sends all that follows by the body. Failing any of this, messages it is.
 *
 * In:  {type: "connect", laptop, server, once, feed}, {type: "retry"}, {type: "close"}
 * Out: {type: "state", laptop, server, failure}, {type: "counters", up, down, waiting}
 */
"use strict";

var TetherRelay = function (report) {
  var BACKOFF_MIN_MS = 500, BACKOFF_MAX_MS = 15000, STEADY_MS = 5000, CONNECT_MS = 8000, FRESH_MS = 1000, COUNT_MS = 500;
  var FEED_WORD = "feed", FEED_BUFFER = 256 * 1024, FEED_END_MS = 3000;
  var EARLY_MAX = 256 * 1024, STUCK = 64 * 1024 * 1024, LOOK_EVERY = 4 * 1024 * 1024, OTHER_LEG = 4004;

  var urls = null, once = false, feeds = false, pair = null, backoff = BACKOFF_MIN_MS, retryTimer = 0, dropped = 0;
  var up = 0, down = 0; /* bytes: from the laptop, to the laptop */

  /* Text counts by characters, without encoding it anew: what travels as text is base64, one byte each. */
  function size(data) {
    return typeof data === "string" ? data.length : data.byteLength;
  }

  function open(which) {
    var leg = { which: which, socket: null, state: "connecting", early: [], earlyBytes: 0, wasOpen: false, code: 0, reason: "", feed: null };
    var url = urls[which], token = feeds ? drawToken() : "";
    if (token) url += (url.indexOf("?") < 0 ? "?" : "&") + "feed=" + token;
    leg.socket = new WebSocket(url);
    if (token) leg.feed = { url: url.replace(/^ws/, "http"), state: "none", abort: null, reader: null, whenEnded: null };
    leg.socket.binaryType = "arraybuffer";
    return leg;
  }

  function tell(failure) {
    report({
      type: "state",
      laptop: pair ? pair.laptop.state : "off",
      server: pair ? pair.server.state : "off",
      failure: failure || null
    });
  }

  /*
   * The hot path: no allocation, no postMessage. What waits is looked at every few megabytes: a timer would come too late here.
   * A view lies in a buffer that is read into again; send() has copied it when it returns.
   */
  function wire(mine, from, to, count) {
    var target = to.socket, unseen = 0;
    function pass(data) {
      var bytes = size(data);
      count(bytes);
      if (target.readyState === 1) {
        target.send(data);
        unseen += bytes;
        if (unseen > LOOK_EVERY) {
          unseen = 0;
          if (target.bufferedAmount > STUCK) giveUp(mine, to, "stuck");
        }
        return;
      }
      if (target.readyState !== 0 || to.earlyBytes + bytes > EARLY_MAX) {
        dropped++;
        return;
      }
      to.early.push(ArrayBuffer.isView(data) ? data.slice() : data);
      to.earlyBytes += bytes;
    }
    from.socket.onmessage = function (event) {
      var data = event.data;
      if (data === FEED_WORD && from.feed && from.feed.state === "asked") {
        from.feed.state = "on";
        drink(mine, from, pass, new ArrayBuffer(FEED_BUFFER));
      } else {
        pass(data);
      }
    };
    from.socket.onopen = function () {
      if (pair !== mine) return;
      from.state = "up";
      from.wasOpen = true;
      for (var i = 0; i < from.early.length; i++) from.socket.send(from.early[i]);
      from.early = [];
      from.earlyBytes = 0;
      if (to.state === "up") mine.upSince = Date.now();
      tell(null);
      if (from.feed) askFeed(mine, from);
    };
    from.socket.onclose = function (event) {
      from.state = "closed";
      from.code = event.code;
      from.reason = event.reason;
      afterFeed(from, event.wasClean, function () { end(mine, from); });
    };
  }

  /* --- a leg's feed --- */

  function drawToken() {
    if (typeof fetch !== "function" || typeof ReadableStreamBYOBReader !== "function" || typeof AbortController !== "function") return "";
    return Array.prototype.map.call(crypto.getRandomValues(new Uint8Array(16)), function (byte) {
      return (byte + 256).toString(16).slice(1);
    }).join("");
  }

  /* Whatever goes wrong before the end's last message: the websocket goes on. */
  function askFeed(mine, leg) {
    var feed = leg.feed;
    feed.abort = new AbortController();
    fetch(feed.url, { cache: "no-store", credentials: "omit", signal: feed.abort.signal }).then(function (answer) {
      if (!answer.ok) throw new Error("no feed");
      feed.reader = answer.body.getReader({ mode: "byob" });
      return feed.reader.read(new Uint8Array(FEED_WORD.length));
    }).then(function (first) {
      if (first.done || String.fromCharCode.apply(null, first.value) !== FEED_WORD) throw new Error("not a feed");
      if (pair !== mine || leg.socket.readyState !== 1) return;
      feed.state = "asked";
      leg.socket.send(FEED_WORD);
    }).catch(function () {
      if (feed.state === "none") dropFeed(leg);
    });
  }

  function dropFeed(leg) {
    if (leg.feed && leg.feed.abort) leg.feed.abort.abort();
  }

  function drink(mine, leg, pass, buffer) {
    leg.feed.reader.read(new Uint8Array(buffer)).then(function (result) {
      if (result.done) {
        feedEnded(mine, leg, "feed ended");
        return;
      }
      pass(result.value);
      drink(mine, leg, pass, result.value.buffer);
    }).catch(function () { feedEnded(mine, leg, "feed broke"); });
  }

  /* What the end says by closing its websocket is worth more than that its feed ended, and the two come in any order. */
  function feedEnded(mine, leg, words) {
    var feed = leg.feed;
    if (feed.state !== "on") return;
    feed.state = "ended";
    if (feed.whenEnded) feed.whenEnded();
    else setTimeout(function () { if (pair === mine && leg.state === "up") giveUp(mine, leg, words); }, FEED_END_MS);
  }

  /* What came by the feed before the end closed its websocket is passed on first. Where there was no farewell something may be missing anyway. */
  function afterFeed(leg, clean, then) {
    if (!clean || !leg.feed || leg.feed.state !== "on") {
      then();
      return;
    }
    var timer = setTimeout(function () { leg.feed.whenEnded = null; leg.feed.state = "ended"; then(); }, FEED_END_MS);
    leg.feed.whenEnded = function () { clearTimeout(timer); then(); };
  }

  /* A leg ended: the pair has ended. Codes of our own are passed on, so that both ends learn why. */
  function end(mine, leg) {
    if (pair !== mine) return;
    pair = null;
    clearTimeout(mine.timeout);
    dropFeed(leg);
    var own = leg.code >= 4000 && leg.code <= 4999 && leg.code !== OTHER_LEG;
    var other = leg === mine.laptop ? mine.server : mine.laptop;
    try {
      other.socket.close(own ? leg.code : OTHER_LEG, own ? leg.reason : "other leg closed");
    } catch (error) { /* not open yet: it is given up all the same */ }
    dropFeed(other);
    if (mine.upSince && Date.now() - mine.upSince > STEADY_MS) backoff = BACKOFF_MIN_MS;
    /* once: the first try of the laptop decides whether the browser allows it at all */
    var again = !!urls && (!once || !!mine.upSince || leg.which === "server");
    tell({ leg: leg.which, code: leg.code, reason: leg.reason, wasOpen: leg.wasOpen, again: again });
    if (again) {
      retryTimer = setTimeout(connect, backoff / 2 + Math.random() * backoff / 2);
      backoff = Math.min(backoff * 2, BACKOFF_MAX_MS);
    }
  }

  /* A leg that does not end by itself is taken as ended now; its own close could wait for ever behind what is queued. */
  function giveUp(mine, leg, words) {
    leg.code = 1006;
    leg.reason = words;
    leg.socket.onclose = leg.socket.onmessage = null;
    leg.socket.close();
    end(mine, leg);
  }

  function connect() {
    clearTimeout(retryTimer);
    if (pair || !urls) return;
    var mine = { began: Date.now(), upSince: 0, timeout: 0 };
    try {
      mine.laptop = open("laptop");
      mine.server = open("server");
    } catch (error) { /* an address the browser will not even try, such as ws: from an https page */
      if (mine.laptop) mine.laptop.socket.close();
      tell({ leg: mine.laptop ? "server" : "laptop", code: 0, reason: String(error.message || error), wasOpen: false, again: false });
      return;
    }
    pair = mine;
    wire(mine, mine.laptop, mine.server, function (bytes) { up += bytes; });
    wire(mine, mine.server, mine.laptop, function (bytes) { down += bytes; });
    mine.timeout = setTimeout(function () {
      var late = mine.server.state === "connecting" ? mine.server : mine.laptop;
      if (pair === mine && late.state === "connecting") giveUp(mine, late, "no answer");
    }, CONNECT_MS);
    tell(null);
  }

  function hangUp(words) {
    clearTimeout(retryTimer);
    if (!pair) return;
    var old = pair;
    pair = null;
    clearTimeout(old.timeout);
    [old.laptop, old.server].forEach(function (leg) {
      leg.socket.onmessage = leg.socket.onclose = leg.socket.onopen = null;
      leg.socket.close(1000, words);
      dropFeed(leg);
    });
  }

  setInterval(function () {
    var waiting = pair ? pair.laptop.socket.bufferedAmount + pair.server.socket.bufferedAmount : 0;
    report({ type: "counters", up: up, down: down, waiting: waiting, dropped: dropped });
  }, COUNT_MS);

  return {
    receive: function (order) {
      if (order.type === "connect") {
        hangUp("new addresses");
        urls = { laptop: order.laptop, server: order.server };
        once = !!order.once;
        feeds = !!order.feed;
        backoff = BACKOFF_MIN_MS;
        connect();
      } else if (order.type === "retry") { /* the page came back to life: wait neither for the timer nor for a dead attempt */
        if (pair && !pair.upSince && Date.now() - pair.began > FRESH_MS) hangUp("trying anew");
        if (urls && !pair && (!once || retryTimer)) {
          backoff = BACKOFF_MIN_MS;
          connect();
        }
      } else if (order.type === "close") {
        urls = null;
        hangUp("page closed");
        tell(null);
      }
    }
  };
};

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  var relay = TetherRelay(function (news) { self.postMessage(news); });
  self.onmessage = function (event) { relay.receive(event.data); };
}
