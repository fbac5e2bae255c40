/*
 * app.js - the page around the relay: which addresses, the lights, and what is wrong in words
 *
 * Served by the laptop (role "client" in tether.json) it connects by itself. Served from a public address it tries the laptop
 * once; browsers forbid that by now, so it explains and offers the one tap to the laptop's own page.
 *
 * Elements that tests may rely on: #leg-laptop #leg-server #end-to-end (each data-state off|connecting|up|error),
 * #message, #go-to-laptop, #bytes-up #bytes-down #speed #rtt, #start, #laptop-address #server-address #connect.
 */
"use strict";

(function () {
  var LAPTOP = "ws://169.254.134.89:6354/websocket", POLL_MS = 1000, TELL_TRIES = 5, TRUST_MS = 3000;
  var parts = tetherParts, byId = parts.byId, bytes = parts.bytes, host = parts.host, END_WORDS = parts.END_WORDS, CODE_STATES = parts.CODE_STATES;

  var told = null;        /* the newest tether.json; null: none yet */
  var tellFails = 0;      /* polls in a row that failed */
  var unreachable = false; /* the newest poll got no answer at all, rather than one that is not ours */
  var urls = { laptop: "", server: "" };
  var legs = { laptop: "off", server: "off" };
  var failure = null;     /* the newest failure of a leg, until both are up (and stay up, if an end gave the reason) */
  var upSince = 0;        /* when both legs came up; 0: they are not */
  var last = { up: 0, down: 0, at: 0 };
  var relay = null;

  /* --- lights and words --- */

  function light(id, state, word) {
    parts.light(byId(id), state, word);
  }

  function isLaptopPage() {
    return !!told && told.role === "client";
  }

  /* What keeps the tunnel from working, as one of END_WORDS' names, from the laptop's word or a close code. */
  function endState() {
    if (isLaptopPage() && END_WORDS[told.state]) return told.state;
    return failure && CODE_STATES[failure.code] || "";
  }

  /* The one sentence that helps most now; "" when all is well. */
  function wordsForNow() {
    if (isLaptopPage() && tellFails >= 2)
      return "The laptop does not answer. Is this phone still on the laptop’s Wi-Fi, and is tether client running?";
    if (endState()) return END_WORDS[endState()];
    if (!urls.server) return "Which server? Enter its address below.";
    if (!failure || (legs.laptop === "up" && legs.server === "up")) return "";
    if (failure.code === 0) return "The browser refuses this address: " + failure.reason;
    if (failure.leg === "laptop" && !failure.wasOpen) {
      if (isLaptopPage()) return "The laptop does not answer. Is this phone still on the laptop’s Wi-Fi, and is tether client running?";
      return "Browsers do not let a page from the internet reach a private address such as the laptop’s (" + host(urls.laptop) +
        "). Join the laptop’s Wi-Fi, then tap the button: the laptop has this page too, and from there it works.";
    }
    if (failure.leg === "laptop") return "The connection to the laptop ended" + because() + ". Trying again.";
    if (!failure.wasOpen) return "The server " + host(urls.server) + " cannot be reached. Is mobile data on, is the address right, and is tether server running there?";
    return "The connection to the server ended" + because() + ". Trying again.";
  }

  function because() {
    return failure.reason ? " (" + failure.reason + ")" : "";
  }

  var LEG_WORDS = { up: "connected", connecting: "connecting …", error: "not reached", off: "not connected" };

  function showLeg(which) {
    var state = legs[which], failed = !!failure && failure.leg === which;
    var shown = state === "up" || state === "connecting" ? state : failed ? "error" : "off";
    if (failed && state === "connecting" && !failure.wasOpen) shown = "error"; /* no flicker between attempts */
    light("leg-" + which, shown, LEG_WORDS[shown] + (shown === "error" && failure.again ? ", trying again" : ""));
  }

  function showEnd() {
    var wrong = endState(), legsUp = legs.laptop === "up" && legs.server === "up";
    if (wrong) light("end-to-end", "error", wrong.replace("-", " "));
    else if (legsUp && isLaptopPage() && told.state === "up") light("end-to-end", "up", told.plain ? "connected, plain" : "connected, encrypted");
    else if (legsUp && !isLaptopPage()) light("end-to-end", "up", "both legs connected");
    else if (legs.laptop === "up" || legs.server === "up") light("end-to-end", "connecting", "connecting …");
    else light("end-to-end", "off", "not connected");
  }

  function show() {
    showLeg("laptop");
    showLeg("server");
    showEnd();
    var words = wordsForNow();
    parts.message(words, urls.server || endState() ? "error" : "hint");
    var go = byId("go-to-laptop");
    go.hidden = !(failure && failure.leg === "laptop" && !failure.wasOpen && !isLaptopPage());
    if (!go.hidden) go.href = tetherAddress.laptopPage(urls.laptop, urls.server);
  }

  /* --- numbers --- */

  function showCounters(news) {
    var now = Date.now(), seconds = (now - last.at) / 1000;
    byId("bytes-up").textContent = bytes(news.up);
    byId("bytes-down").textContent = bytes(news.down);
    if (last.at) byId("speed").textContent = bytes(Math.max(0, news.up + news.down - last.up - last.down) / seconds) + "/s";
    last = { up: news.up, down: news.down, at: now };
  }

  function onNews(news) {
    if (news.type === "counters") {
      showCounters(news);
    } else {
      legs = { laptop: news.laptop, server: news.server };
      if (news.failure) failure = news.failure;
      upSince = legs.laptop === "up" && legs.server === "up" ? Date.now() : 0;
      show();
    }
    /* An end that refuses us does so after both legs are up: its reason stays until it has had the time to repeat it. */
    if (failure && upSince && (!CODE_STATES[failure.code] || Date.now() - upSince > TRUST_MS)) {
      failure = null;
      show();
    }
  }

  /* --- what the page's own server tells --- */

  function poll(then) {
    parts.ask(function (answer, silent) {
      tellFails = answer ? 0 : tellFails + 1;
      told = answer || told;
      unreachable = silent;
      byId("rtt").textContent = told && typeof told.rtt_ms === "number" && tellFails === 0 ? told.rtt_ms.toFixed(1) + " ms" : "–";
      then();
    });
  }

  function pollAgain() {
    setTimeout(function () {
      if (document.visibilityState === "visible" && isLaptopPage()) poll(function () { show(); pollAgain(); });
      else pollAgain();
    }, POLL_MS);
  }

  function chooseAddresses() {
    var named = tetherAddress.fromHash(location.hash) || (told && told.server) || "";
    if (isLaptopPage()) {
      urls.laptop = "ws://" + location.host + "/websocket";
      urls.server = named;
    } else {
      urls.laptop = (told && told.laptop) || LAPTOP;
      urls.server = named || (location.protocol === "https:" ? "wss://" : "ws://") + location.hostname + ":8080/websocket";
    }
    byId("laptop-address").value = urls.laptop;
    byId("server-address").value = urls.server;
  }

  function connect(once) {
    failure = null;
    relay.send({ type: "connect", laptop: urls.laptop, server: urls.server, once: once, feed: isLaptopPage() && !told.plain });
    show();
  }

  function begin() {
    if (!told && unreachable && tellFails < TELL_TRIES) { /* whose page this is decides everything: ask again */
      setTimeout(function () { poll(begin); }, POLL_MS);
      return;
    }
    if (told && told.layer === 2) { /* Ethernet: the page with any number of legs */
      location.replace("hub.html" + location.hash);
      return;
    }
    chooseAddresses();
    if (urls.server) connect(!isLaptopPage());
    else byId("addresses").open = true;
    show();
    if (isLaptopPage()) pollAgain();
  }

  /* --- what the person does --- */

  function field(id, faultId, port) {
    var result = tetherAddress.parse(byId(id).value, port);
    byId(id).setAttribute("aria-invalid", result.fault ? "true" : "false");
    byId(faultId).textContent = result.fault || "";
    return result.url;
  }

  byId("form").addEventListener("submit", function (event) {
    event.preventDefault();
    var laptop = field("laptop-address", "laptop-fault", 6354), server = field("server-address", "server-fault", 8080);
    if (!laptop || !server) return;
    urls = { laptop: laptop, server: server };
    connect(false);
  });

  if (!window.WebSocket) {
    parts.message("This browser has no WebSocket. Update it, or open the page in another browser.", "error");
    return;
  }
  relay = parts.startWorker("relay-worker.js", "TetherRelay", onNews);
  parts.stayAwake(function () { relay.send({ type: "retry" }); });
  poll(begin);
})();
