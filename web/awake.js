/*
 * awake.js - keeps the phone's screen on, for a phone that sleeps stops relaying
 *
 * Wake Lock where the browser has it (secure contexts only), else a tiny silent video in a loop, which must be started by a tap.
 */
"use strict";

var tetherAwake = {
  wanted: false,
  lock: null,

  /* Call from a tap. say(on, words) is told what became of it, now and later. */
  start: function (video, say) {
    this.wanted = true;
    this.video = video;
    this.say = say;
    this.hold();
  },

  stop: function () {
    this.wanted = false;
    if (this.lock) this.lock.release();
    this.lock = null;
    if (this.video) this.video.pause();
    this.say(false, "A phone that sleeps stops relaying.");
  },

  /* Again after the page was hidden: the browser takes the lock away then. */
  hold: function () {
    var self = this;
    if (!this.wanted || document.visibilityState !== "visible") return;
    if (!navigator.wakeLock) {
      this.play();
      return;
    }
    navigator.wakeLock.request("screen").then(function (lock) {
      self.lock = lock;
      self.say(true, "The screen stays on while this page is shown.");
    }, function () {
      self.play();
    });
  },

  play: function () {
    var self = this;
    if (!this.video.getAttribute("src")) this.video.setAttribute("src", "awake.mp4");
    var playing = this.video.play();
    var good = function () { self.say(true, "The screen stays on while this page is shown."); };
    if (playing && playing.then)
      playing.then(good, function () {
        if (!self.wanted) return; /* stopped meanwhile, which ends the play() too */
        self.wanted = false;
        self.say(false, "This browser will not keep the screen on: set a long screen time-out.");
      });
    else good();
  }
};
