// The player: versions of a sound to choose from, the waveform, and buttons. Events for Python:
//   regions {regions}   use {id}   undo   pick {id}   seed {seed}   keep {pass}
(() => {
  const { sound, Waveform } = window.audiogen;

  const LAYOUT = `
    <div class="ag-chips" role="radiogroup" aria-label="Version that is heard"></div>
    <div class="ag-canvas"><canvas tabindex="0" aria-label="Waveform. Space plays, drag marks a region."></canvas></div>
    <div class="ag-legend"><span class="ag-made">made new</span><span class="ag-kept">kept</span><span class="ag-share"></span></div>
    <div class="ag-bar">
      <button class="ag-play ag-main" title="Space">▶ Play</button>
      <button class="ag-ab" title="Hear the source and the version in turn">A/B source</button>
      <button class="ag-endless" title="Plays on for ever: each pass is made from the last one">∞ Endless</button>
      <button class="ag-keep" title="Keep the pass that is heard as a take">Keep this pass</button>
      <label><input type="checkbox" class="ag-loop" checked> loop</label>
      <label><input type="checkbox" class="ag-snap" checked> snap to beats</label>
    </div>
    <div class="ag-bar">
      <button class="ag-use" title="Vamp this version next; its codes are kept">Use as input</button>
      <button class="ag-undo" title="Go back to the input before">Undo</button>
      <button class="ag-seed" title="Take over the seed of this version">Reuse seed</button>
      <a class="ag-wav" download>Download WAV</a>
      <a class="ag-json" download>Settings (JSON)</a>
    </div>
    <div class="ag-about" aria-live="polite"></div>`;

  class Player {
    state = { tracks: [], beats: [], downbeats: [] };
    shown = null; // the track that is drawn and played
    other = null; // what A/B goes back to from the source
    passes = new Map(); // name -> track, of endless mode

    constructor(element, trigger) {
      element.innerHTML = `<div class="ag-player">${LAYOUT}</div>`;
      this.root = element.firstElementChild;
      this.trigger = trigger;
      this.wave = new Waveform(this.$("canvas"), {
        onSeek: (time) => this.seek(time),
        onRegions: (regions) => trigger("regions", { regions }),
      });
      const press = (name, action) => this.$(name).addEventListener("click", action);
      press(".ag-play", () => this.toggle());
      press(".ag-ab", () => this.compare());
      press(".ag-endless", () => (sound.endless ? this.stopEndless() : this.startEndless()));
      press(".ag-keep", () => trigger("keep", { pass: this.passes.get(sound.playing)?.id }));
      press(".ag-use", () => trigger("use", { id: this.shown.id }));
      press(".ag-undo", () => trigger("undo", {}));
      press(".ag-seed", () => trigger("seed", { seed: this.shown.seed }));
      this.$(".ag-loop").addEventListener("change", () => sound.voice && this.play(sound.position));
      this.$(".ag-snap").addEventListener("change", (event) => (this.wave.snap = event.target.checked));
      this.$("canvas").addEventListener("keydown", (event) => this.key(event));
      document.addEventListener("audiogen:mask", ({ detail }) => this.setMask(detail));
      document.addEventListener("audiogen:pass", ({ detail }) => this.takePass(detail));
      sound.addEventListener("change", () => this.refresh());
      this.refresh();
      this.tick();
    }

    $(selector) {
      return this.root.querySelector(selector);
    }

    // {tracks: [{id, name, url, json, seed, about}], show, beats, downbeats, about, sample_rate, duration, can_undo}
    async update(state) {
      const before = this.state;
      this.state = state;
      if (state.sample_rate) sound.prepare(state.sample_rate);
      if (before.source !== state.source) this.newSource(state);
      const track = state.tracks.find(({ id }) => id === state.show) ?? state.tracks[0];
      if (!track) this.empty();
      else if (!sound.endless) await this.pick(track, false);
      this.refresh();
    }

    newSource(state) {
      sound.stop();
      this.passes.clear();
      this.wave.position = 0;
      Object.assign(this.wave, { beats: state.beats, downbeats: state.downbeats, duration: state.duration });
    }

    empty() {
      this.shown = this.other = null;
      Object.assign(this.wave, { buffer: null, duration: 0, mask: null });
      this.wave.draw();
    }

    // Draw another version; if one is heard, it goes on at the same place in the new one.
    async pick(track, tell = true) {
      this.shown = track;
      if (track.id !== "source") this.other = track;
      this.refresh();
      if (tell) this.trigger("pick", { id: track.id });
      const buffer = await this.load(track);
      if (!buffer || this.shown !== track) return;
      this.wave.buffer = buffer;
      this.wave.draw();
      if (sound.voice) this.play(sound.position);
    }

    async load(track) {
      try {
        return await sound.load(track.url);
      } catch (error) {
        this.say(error.message);
      }
    }

    async play(offset = this.wave.position) {
      const buffer = await this.load(this.shown);
      if (!buffer) return;
      const start = offset >= buffer.duration - 0.01 ? 0 : offset;
      sound.play(this.shown.name, buffer, { loop: this.$(".ag-loop").checked, offset: start });
    }

    toggle() {
      if (sound.endless) return this.stopEndless();
      if (!this.shown) return;
      if (sound.voice) sound.stop();
      else this.play();
    }

    seek(time) {
      if (sound.endless) return;
      this.wave.position = time;
      if (sound.voice) this.play(time);
    }

    compare() {
      const source = this.state.tracks.find(({ id }) => id === "source");
      const target = this.shown.id === "source" ? this.other : source;
      if (target) this.pick(target);
    }

    async startEndless() {
      const track = this.shown;
      const buffer = await this.load(track);
      if (!buffer) return;
      this.passes.clear();
      sound.playEndless(track.name, buffer, () => document.dispatchEvent(new CustomEvent("audiogen:more", { detail: track.id })));
    }

    stopEndless() {
      sound.stop();
      document.dispatchEvent(new Event("audiogen:halt"));
      const chosen = this.state.tracks.find(({ id }) => id === this.state.show) ?? this.shown;
      this.pick(chosen); // what is drawn now is a pass
    }

    async takePass(pass) {
      if (!sound.endless) return;
      if (pass.error) {
        this.stopEndless();
        return this.say(pass.error);
      }
      const buffer = await this.load(pass);
      if (!buffer) return this.stopEndless();
      this.passes.set(pass.name, pass);
      for (const name of [...this.passes.keys()].slice(0, -8)) this.passes.delete(name);
      sound.push(pass.name, buffer);
    }

    setMask(mask) {
      this.wave.mask = mask.frames ? mask : null;
      if (mask.regions) this.wave.regions = mask.regions; // else those that are drawn stay
      this.$(".ag-share").textContent = mask.about ?? "";
      this.wave.draw();
    }

    key(event) {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === " ") this.toggle();
      else if (step) this.seek(Math.min(Math.max(this.wave.position + step * 0.25, 0), this.wave.duration));
      else return;
      event.preventDefault();
    }

    say(text) {
      this.$(".ag-about").textContent = text;
    }

    tick() {
      if (this.root.isConnected === false) return;
      if (sound.voice || sound.endless) {
        const pass = sound.endless && this.passes.get(sound.playing);
        if (pass) sound.load(pass.url).then((buffer) => (this.wave.buffer = buffer));
        this.wave.position = sound.position;
        this.wave.draw();
      }
      requestAnimationFrame(() => this.tick());
    }

    refresh() {
      const { tracks, about, can_undo } = this.state;
      const pass = this.passes.get(sound.playing);
      const heard = pass ?? this.shown;
      this.$(".ag-chips").replaceChildren(...tracks.map((track) => this.chip(track)));
      this.$(".ag-play").textContent = sound.playing ? "■ Stop" : "▶ Play";
      this.$(".ag-endless").classList.toggle("ag-on", Boolean(sound.endless));
      this.$(".ag-ab").textContent = this.shown?.id === "source" ? "A/B take" : "A/B source";
      const able = { play: heard, endless: heard, ab: this.other && !sound.endless, keep: pass };
      const more = { use: this.shown && this.shown.id !== "source" && !sound.endless, undo: can_undo, seed: heard?.seed != null };
      for (const [name, yes] of Object.entries({ ...able, ...more })) this.$(`.ag-${name}`).disabled = !yes;
      this.$(".ag-keep").hidden = !sound.endless;
      for (const [name, url] of [["wav", heard?.url], ["json", heard?.json]]) {
        const link = this.$(`.ag-${name}`);
        link.hidden = !url;
        if (url) link.href = url;
        if (url) link.download = decodeURIComponent(url.split("/").pop());
      }
      this.say([heard && heard.name, heard?.about ?? about].filter(Boolean).join(" · "));
    }

    chip(track) {
      const chip = document.createElement("button");
      chip.textContent = track.name;
      chip.setAttribute("role", "radio");
      chip.setAttribute("aria-checked", String(track.id === this.shown?.id));
      chip.disabled = Boolean(sound.endless);
      chip.addEventListener("click", () => this.pick(track));
      return chip;
    }
  }

  // The three components of the page that belong together; Python gives each its values.
  window.audiogen.mountPlayer = (element, trigger, props, watch) => {
    const player = new Player(element, trigger);
    window.audiogen.player = player;
    watch("value", () => player.update(parse(props.value)));
    if (props.value) player.update(parse(props.value));
  };

  window.audiogen.mountMask = (element, props, watch) => {
    const tell = () => {
      const mask = parse(props.value);
      if (mask.bits) mask.bits = unpack(mask.bits, mask.levels * mask.frames);
      element.textContent = mask.error ?? "";
      document.dispatchEvent(new CustomEvent("audiogen:mask", { detail: mask }));
    };
    watch("value", tell);
  };

  window.audiogen.mountFeed = (element, trigger, props, watch) => {
    document.addEventListener("audiogen:more", ({ detail }) => trigger("more", { id: detail }));
    document.addEventListener("audiogen:halt", () => trigger("halt", {}));
    watch("value", () => document.dispatchEvent(new CustomEvent("audiogen:pass", { detail: parse(props.value) })));
  };

  function parse(value) {
    const found = value || {};
    for (const one of [found, ...(found.tracks ?? [])]) {
      if (one.file) one.url = one.file.url;
      if (one.settings) one.json = one.settings.url;
    }
    return { tracks: [], beats: [], downbeats: [], ...found };
  }

  function unpack(text, count) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return Uint8Array.from({ length: count }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
  }
})();
