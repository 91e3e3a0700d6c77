// The drawing: waveform, bars and beats, regions that are dragged over it, and under it the codes that are kept or made.
(() => {
  const WAVE = 150, STRIP_ROW = 5, GAP = 4; // pixels
  const HANDLE = 18; // side of the square that removes a region
  const SLOP = 5; // pixels of movement that make a press a drag
  const SHORTEST = 0.02; // s of a region

  const peaksOf = new WeakMap(); // AudioBuffer -> {width, low, high}

  function peaks(buffer, width) {
    const known = peaksOf.get(buffer);
    if (known?.width === width) return known;
    const low = new Float32Array(width), high = new Float32Array(width);
    for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
      const samples = buffer.getChannelData(channel);
      for (let column = 0; column < width; column++) {
        const end = Math.floor(((column + 1) * samples.length) / width);
        for (let i = Math.floor((column * samples.length) / width); i < end; i++) {
          if (samples[i] < low[column]) low[column] = samples[i];
          if (samples[i] > high[column]) high[column] = samples[i];
        }
      }
    }
    const found = { width, low, high };
    peaksOf.set(buffer, found);
    return found;
  }

  class Waveform {
    buffer = null;
    duration = 0;
    beats = [];
    downbeats = [];
    regions = []; // [[start, end], ...] s
    mask = null; // {levels, frames, bits: Uint8Array, level by level, 1 = to be generated}
    position = 0;
    snap = true;
    #drag = null;

    constructor(canvas, { onSeek, onRegions }) {
      this.canvas = canvas;
      this.onSeek = onSeek;
      this.onRegions = onRegions;
      new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
      canvas.addEventListener("pointerdown", (event) => this.#press(event));
      canvas.addEventListener("pointermove", (event) => this.#move(event));
      canvas.addEventListener("pointerup", (event) => this.#release(event));
      canvas.addEventListener("pointercancel", () => ((this.#drag = null), this.draw()));
    }

    get width() {
      return this.canvas.clientWidth;
    }

    x(time) {
      return (time / this.duration) * this.width;
    }

    #time(event) {
      const x = event.clientX - this.canvas.getBoundingClientRect().left;
      return Math.min(Math.max((x / this.width) * this.duration, 0), this.duration);
    }

    // The nearest beat, or the file's ends; a grid without beats leaves the time as it is.
    #snapped(time) {
      if (!this.snap || this.beats.length < 2) return time;
      return [0, this.duration, ...this.beats].reduce((best, one) => (Math.abs(one - time) < Math.abs(best - time) ? one : best));
    }

    #press(event) {
      if (!this.duration || event.button !== 0) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.#drag = { x: event.clientX, from: this.#time(event), to: this.#time(event), moved: false };
    }

    #move(event) {
      if (!this.#drag) return;
      this.#drag.to = this.#time(event);
      this.#drag.moved ||= Math.abs(event.clientX - this.#drag.x) > SLOP;
      this.draw();
    }

    #release(event) {
      const drag = this.#drag;
      this.#drag = null;
      if (!drag) return;
      const closed = this.#closed(event);
      if (drag.moved) this.#add(drag);
      else if (closed >= 0) this.#replace(this.regions.filter((_, index) => index !== closed));
      else this.onSeek(drag.from);
      this.draw();
    }

    #span({ from, to }) {
      return [this.#snapped(Math.min(from, to)), this.#snapped(Math.max(from, to))];
    }

    #add(drag) {
      let [start, end] = this.#span(drag);
      if (end - start < SHORTEST) [start, end] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)]; // within one beat
      if (end - start < SHORTEST) return;
      const apart = this.regions.filter(([a, b]) => b < start || end < a);
      for (const [a, b] of this.regions.filter(([a, b]) => !(b < start || end < a))) {
        [start, end] = [Math.min(a, start), Math.max(b, end)]; // what overlaps becomes one
      }
      this.#replace([...apart, [start, end]].sort(([a], [b]) => a - b));
    }

    #replace(regions) {
      this.regions = regions;
      this.onRegions(regions);
    }

    // Index of the region whose corner was pressed, or -1.
    #closed(event) {
      const box = this.canvas.getBoundingClientRect();
      const x = event.clientX - box.left, y = event.clientY - box.top;
      return this.regions.findIndex(([, end]) => y < HANDLE && x <= this.x(end) && x > this.x(end) - HANDLE);
    }

    draw() {
      const rows = this.mask ? this.mask.levels : 0;
      const height = WAVE + (rows ? GAP + rows * STRIP_ROW : 0);
      const scale = window.devicePixelRatio || 1;
      const pen = this.canvas.getContext("2d");
      this.canvas.style.height = `${height}px`;
      this.canvas.width = Math.round(this.width * scale);
      this.canvas.height = Math.round(height * scale);
      if (!this.width) return; // in a tab that is not shown
      pen.scale(scale, scale);
      const style = getComputedStyle(this.canvas);
      const colour = (name) => style.getPropertyValue(`--ag-${name}`);
      pen.fillStyle = colour("ground");
      pen.fillRect(0, 0, this.width, WAVE);
      if (!this.duration) return this.#drawHint(pen, colour);
      this.#drawRegions(pen, colour);
      this.#drawWave(pen, colour);
      this.#drawGrid(pen, colour);
      if (rows) this.#drawMask(pen, colour);
      pen.fillStyle = colour("head");
      pen.fillRect(this.x(this.position) - 1, 0, 2, height);
    }

    #drawHint(pen, colour) {
      pen.fillStyle = colour("text");
      pen.font = "14px system-ui, sans-serif";
      pen.textAlign = "center";
      pen.fillText("Load a sound above: an example, a file or a recording", this.width / 2, WAVE / 2, this.width - 16);
    }

    #drawWave(pen, colour) {
      if (!this.buffer) return;
      const { low, high } = peaks(this.buffer, Math.max(1, Math.floor(this.width)));
      const middle = WAVE / 2, scale = WAVE / 2 - 10;
      pen.fillStyle = colour("wave");
      low.forEach((least, x) => pen.fillRect(x, middle - high[x] * scale, 1, Math.max(1, (high[x] - least) * scale)));
    }

    #drawGrid(pen, colour) {
      pen.font = "11px system-ui, sans-serif";
      pen.textAlign = "left";
      pen.fillStyle = colour("beat");
      for (const time of this.beats) pen.fillRect(this.x(time), 0, 1, WAVE);
      let free = 0; // x from which a number fits
      this.downbeats.forEach((time, index) => {
        const x = this.x(time);
        pen.fillStyle = colour("bar");
        pen.fillRect(x, 0, 2, WAVE);
        if (x < free) return;
        pen.fillStyle = colour("text");
        pen.fillText(`${index + 1}`, x + 5, WAVE - 5);
        free = x + 22;
      });
    }

    #drawRegions(pen, colour) {
      const draw = ([start, end], handle) => {
        const x = this.x(start), width = this.x(end) - x;
        pen.fillStyle = colour("region");
        pen.fillRect(x, 0, width, WAVE);
        pen.fillStyle = colour("edge");
        pen.fillRect(x, 0, 2, WAVE);
        pen.fillRect(x + width - 2, 0, 2, WAVE);
        if (!handle) return;
        pen.fillRect(x + width - HANDLE, 0, HANDLE, HANDLE);
        pen.fillStyle = colour("ground");
        pen.font = "bold 14px system-ui, sans-serif";
        pen.textAlign = "center";
        pen.fillText("×", x + width - HANDLE / 2, HANDLE - 4);
      };
      for (const region of this.regions) draw(region, true);
      if (this.#drag?.moved) draw(this.#span(this.#drag), false);
    }

    #drawMask(pen, colour) {
      const { levels, frames, bits } = this.mask;
      const top = WAVE + GAP, cell = this.width / frames;
      pen.fillStyle = colour("kept");
      pen.fillRect(0, top, this.width, levels * STRIP_ROW);
      pen.fillStyle = colour("made");
      for (let level = 0; level < levels; level++) {
        for (let frame = 0, run = 0; frame <= frames; frame++) {
          if (frame < frames && bits[level * frames + frame]) run++;
          else if (run) {
            pen.fillRect((frame - run) * cell, top + level * STRIP_ROW, run * cell, STRIP_ROW - 1);
            run = 0;
          }
        }
      }
    }
  }

  window.audiogen.Waveform = Waveform;
})();
