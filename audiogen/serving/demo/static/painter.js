// The spectrogram as a place to paint: its picture, the grid of cells over it, and the cells that are to be made anew.
(() => {
  const HEIGHT = 320, EMPTY = 48, LEFT = 62, BOTTOM = 22; // pixels; what is left of the plot and under it is for labels
  const ROOM = 46; // pixels between two labels of seconds
  const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };

  class Painter {
    state = null; // {rows, columns, seconds, per_second, edges: [Hz], url}; row 0 is the lowest
    cells = []; // rows of columns, true = to be made anew
    cursor = null; // [row, column] of the keyboard
    #image = null;
    #brush = null; // whether the stroke that is drawn paints or erases

    constructor(element, trigger) {
      this.trigger = trigger;
      element.innerHTML =
        '<div class="ag-painter"><canvas tabindex="0" role="application" aria-label="Spectrogram. Arrow keys choose a ' +
        'cell, the space bar marks it; the fields below do the same in numbers."></canvas>' +
        '<div class="ag-bar"><button type="button" class="ag-clear">Clear</button><span class="ag-share" ' +
        'aria-live="polite"></span></div></div>';
      this.canvas = element.querySelector("canvas");
      this.share = element.querySelector(".ag-share");
      element.querySelector(".ag-clear").addEventListener("click", () => this.#replace(this.#blank()));
      this.canvas.addEventListener("pointerdown", (event) => this.#press(event));
      this.canvas.addEventListener("pointermove", (event) => this.#paint(event));
      this.canvas.addEventListener("pointerup", () => this.#release());
      this.canvas.addEventListener("pointercancel", () => this.#release());
      this.canvas.addEventListener("keydown", (event) => this.#key(event));
      this.canvas.addEventListener("blur", () => ((this.cursor = null), this.draw()));
      new ResizeObserver(() => this.draw()).observe(this.canvas.parentElement);
    }

    update(state) {
      this.state = state?.columns ? { ...state, url: state.file.url } : null;
      this.cells = this.#blank();
      this.cursor = this.#image = null;
      if (this.state) {
        const image = new Image();
        image.onload = () => ((this.#image = image), this.draw());
        image.src = this.state.url;
      }
      this.draw();
    }

    #blank() {
      const { rows, columns } = this.state ?? { rows: 0, columns: 0 };
      return Array.from({ length: rows }, () => Array(columns).fill(false));
    }

    #replace(cells) {
      this.cells = cells;
      this.draw();
      if (this.state) this.trigger("painted", { cells: cells.map((row) => row.map(Number).join("")) });
    }

    // [row, column] under the pointer, or null.
    #cell(event) {
      const box = this.canvas.getBoundingClientRect();
      const column = Math.floor(((event.clientX - box.left - LEFT) / (box.width - LEFT)) * this.state.columns);
      const row = this.state.rows - 1 - Math.floor(((event.clientY - box.top) / (HEIGHT - BOTTOM)) * this.state.rows);
      return this.cells[row]?.[column] === undefined ? null : [row, column];
    }

    #press(event) {
      const cell = this.state && event.button === 0 ? this.#cell(event) : null;
      if (!cell) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.#brush = !this.cells[cell[0]][cell[1]]; // a stroke that begins on a marked cell erases
      this.#paint(event);
    }

    #paint(event) {
      if (this.#brush === null) return;
      for (const one of [...(event.getCoalescedEvents?.() ?? []), event]) {
        const cell = this.#cell(one);
        if (cell) this.cells[cell[0]][cell[1]] = this.#brush;
      }
      this.draw();
    }

    #release() {
      if (this.#brush === null) return;
      this.#brush = null;
      this.#replace(this.cells);
    }

    #key(event) {
      if (!this.state || !(event.key in MOVES || event.key === " ")) return;
      event.preventDefault();
      const [row, column] = this.cursor ?? [0, 0];
      if (event.key === " ") {
        this.cursor = [row, column];
        this.cells[row][column] = !this.cells[row][column];
        return this.#replace(this.cells);
      }
      const inside = (place, count) => Math.min(Math.max(place, 0), count - 1);
      const [up, right] = this.cursor ? MOVES[event.key] : [0, 0];
      this.cursor = [inside(row + up, this.state.rows), inside(column + right, this.state.columns)];
      this.draw();
    }

    draw() {
      const width = this.canvas.clientWidth, scale = window.devicePixelRatio || 1;
      const height = this.state ? HEIGHT : EMPTY;
      this.canvas.style.height = `${height}px`;
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
      const count = this.cells.flat().filter(Boolean).length;
      this.share.textContent = count ? `${count} cells will be made anew` : "Nothing is marked";
      if (!width) return; // in a tab that is not shown
      const pen = this.canvas.getContext("2d");
      pen.scale(scale, scale);
      const style = getComputedStyle(this.canvas);
      const colour = (name) => style.getPropertyValue(`--ag-${name}`);
      pen.font = "12px system-ui, sans-serif";
      pen.fillStyle = colour("text");
      if (!this.state) return pen.fillText("Upload or record a sound above, or use a result", 4, height / 2, width - 8);
      this.#drawPlot(pen, colour, width - LEFT, HEIGHT - BOTTOM);
    }

    #drawPlot(pen, colour, width, height) {
      const { rows, columns, edges, per_second: perSecond } = this.state;
      const x = (column) => LEFT + (column * width) / columns, y = (row) => height - (row * height) / rows;
      pen.imageSmoothingEnabled = false;
      if (this.#image) pen.drawImage(this.#image, LEFT, 0, width, height);
      pen.fillStyle = colour("made");
      this.cells.forEach((row, r) =>
        row.forEach((marked, c) => marked && pen.fillRect(x(c), y(r + 1), x(c + 1) - x(c), y(r) - y(r + 1))),
      );
      pen.fillStyle = colour("line");
      for (let column = 1; column < columns; column++) pen.fillRect(x(column), 0, 1, height);
      for (let row = 1; row < rows; row++) pen.fillRect(LEFT, y(row), width, 1);
      if (this.cursor) {
        const [r, c] = this.cursor;
        pen.strokeStyle = colour("head");
        pen.lineWidth = 3;
        pen.strokeRect(x(c), y(r + 1), x(c + 1) - x(c), y(r) - y(r + 1));
      }
      pen.fillStyle = colour("text");
      edges.slice(0, -1).forEach((hertz, row) => pen.fillText(`${Math.round(hertz)} Hz`, 0, y(row) - 2));
      const every = [1, 2, 5, 10, 20, 60].find((step) => (step * perSecond * width) / columns >= ROOM) ?? 60;
      for (let second = 0; second * perSecond < columns; second += every) {
        pen.fillText(`${second} s`, x(second * perSecond), HEIGHT - 6);
      }
    }
  }

  window.audiogen.mountPainter = (element, trigger, props, watch) => {
    const painter = new Painter(element, trigger);
    window.audiogen.painter = painter;
    watch("value", () => painter.update(props.value));
    painter.update(props.value);
  };
})();
