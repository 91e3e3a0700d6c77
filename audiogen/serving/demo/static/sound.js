// What is heard: one AudioContext for the page, decoded buffers, loops, and passes that follow each other without a gap.
(() => {
  const FADE = 0.006; // s, so that starting, stopping and switching do not click
  const AHEAD = 1.0; // s that are scheduled before they are heard
  const KEPT_SECONDS = 900; // of decoded sound that is remembered

  class Sound extends EventTarget {
    context = null;
    voice = null; // what plays: {name, buffer, nodes, gain, start, offset, loop}
    endless = null; // passes in turn: {queue, last, until, scheduled, nodes, asked, needMore, gain, timer}
    #buffers = new Map(); // url -> {promise, seconds}

    // A context runs at the rate of the sounds: nothing is resampled before the output, so that loops join exactly.
    prepare(rate) {
      if (this.context && this.rate === rate) return;
      this.stop();
      this.context?.close();
      this.#buffers.clear();
      this.rate = rate;
      try {
        this.context = new AudioContext({ sampleRate: rate });
      } catch {
        this.context = new AudioContext(); // a rate that this browser does not play: decoding resamples
      }
      this.analyser = new AnalyserNode(this.context, { fftSize: 2048 });
      this.analyser.connect(this.context.destination);
    }

    load(url) {
      const known = this.#buffers.get(url);
      this.#buffers.delete(url); // asked last, forgotten last
      const entry = known ?? { promise: this.#decode(url), seconds: 0 };
      this.#buffers.set(url, entry);
      entry.promise.then((buffer) => {
        entry.seconds = buffer.duration;
        this.#forget();
      }, () => this.#buffers.delete(url));
      return entry.promise;
    }

    async #decode(url) {
      const answer = await fetch(url);
      if (!answer.ok) throw new Error(`The sound is no longer there (${answer.status}). Load the source again.`);
      return this.context.decodeAudioData(await answer.arrayBuffer());
    }

    #forget() {
      let seconds = [...this.#buffers.values()].reduce((sum, entry) => sum + entry.seconds, 0);
      for (const [url, entry] of this.#buffers) {
        if (seconds <= KEPT_SECONDS || this.#buffers.size <= 2) return;
        this.#buffers.delete(url);
        seconds -= entry.seconds;
      }
    }

    get now() {
      return this.context ? this.context.currentTime : 0;
    }

    get playing() {
      return this.endless ? this.#pass()?.name ?? this.endless.last.name : this.voice?.name ?? null;
    }

    // Seconds into what is heard.
    get position() {
      if (this.endless) {
        const pass = this.#pass();
        return pass ? this.now - pass.start / this.context.sampleRate : 0;
      }
      if (!this.voice) return 0;
      const { start, offset, buffer, loop } = this.voice;
      const passed = Math.max(0, this.now - start) + offset;
      return loop ? passed % buffer.duration : Math.min(passed, buffer.duration);
    }

    // The loudest sample of the last 2048 that were heard.
    get peak() {
      if (!this.analyser) return 0;
      const samples = new Float32Array(this.analyser.fftSize);
      this.analyser.getFloatTimeDomainData(samples);
      return samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    }

    play(name, buffer, { loop = true, offset = 0 } = {}) {
      this.stop();
      this.context.resume();
      const gain = this.#fadedIn();
      const node = new AudioBufferSourceNode(this.context, { buffer, loop });
      node.connect(gain);
      const start = this.now + 0.005;
      node.start(start, Math.min(offset, buffer.duration));
      const voice = { name, buffer, nodes: [node], gain, start, offset, loop };
      node.onended = () => {
        if (this.voice !== voice) return;
        this.voice = null;
        this.#changed();
      };
      this.voice = voice;
      this.#changed();
    }

    stop() {
      for (const { gain, nodes } of [this.voice, this.endless].filter(Boolean)) {
        this.#fadeOut(gain, nodes);
      }
      if (this.endless) clearInterval(this.endless.timer);
      this.voice = this.endless = null;
      this.#changed();
    }

    // Play `buffer`, then whatever `push` brings; where nothing new is there in time, the last pass comes again.
    playEndless(name, buffer, needMore) {
      this.stop();
      this.context.resume();
      this.endless = {
        queue: [], last: { name, buffer }, scheduled: [], nodes: [], asked: false, needMore, gain: this.#fadedIn(),
        until: Math.ceil((this.now + 0.05) * this.context.sampleRate), // in samples: sums of seconds drift
      };
      this.endless.queue.push(this.endless.last);
      this.#fill();
      this.endless.timer = setInterval(() => this.#fill(), 50);
      this.#changed();
    }

    push(name, buffer) {
      if (!this.endless) return;
      this.endless.asked = false;
      this.endless.queue.push({ name, buffer });
      this.#fill();
    }

    #fill() {
      const endless = this.endless;
      const rate = this.context.sampleRate;
      while (endless.until < (this.now + AHEAD) * rate) this.#schedule(endless, rate);
      if (!endless.asked && endless.queue.length < 2) {
        endless.asked = true;
        endless.needMore();
      }
      const heard = this.#pass()?.name;
      if (heard !== endless.heard) {
        endless.heard = heard;
        this.#changed();
      }
    }

    #schedule(endless, rate) {
      const repeat = endless.queue.length === 0;
      const pass = repeat ? endless.last : endless.queue.shift();
      const late = endless.until < this.now * rate; // the page slept: go on from now
      const start = late ? Math.ceil((this.now + 0.02) * rate) : endless.until;
      const node = new AudioBufferSourceNode(this.context, { buffer: pass.buffer });
      node.connect(endless.gain);
      node.start(start / rate);
      endless.nodes = [...endless.nodes.slice(-31), node];
      endless.until = start + pass.buffer.length;
      endless.scheduled = [...endless.scheduled.slice(-63), { name: pass.name, start, end: endless.until, repeat, late }];
      endless.last = pass;
    }

    #pass() {
      const sample = this.now * this.context.sampleRate;
      return this.endless.scheduled.find(({ start, end }) => start <= sample && sample < end);
    }

    #fadedIn() {
      const gain = new GainNode(this.context, { gain: 0 });
      gain.gain.setValueAtTime(0, this.now);
      gain.gain.linearRampToValueAtTime(1, this.now + FADE);
      gain.connect(this.analyser);
      return gain;
    }

    #fadeOut(gain, nodes) {
      gain.gain.cancelScheduledValues(this.now);
      gain.gain.setValueAtTime(gain.gain.value, this.now);
      gain.gain.linearRampToValueAtTime(0, this.now + FADE);
      for (const node of nodes) node.stop(this.now + FADE);
      setTimeout(() => gain.disconnect(), 100 + 1000 * FADE);
    }

    #changed() {
      this.dispatchEvent(new Event("change"));
    }
  }

  window.audiogen = { sound: new Sound() };
})();
