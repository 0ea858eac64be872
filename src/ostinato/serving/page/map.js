// The catalog as points: like tracks lie together. By mouse, by touch and by arrow keys.

const PALETTE = ["#4b7bec", "#e67e22", "#20a36b", "#d6456b", "#8e5bd6", "#b8860b", "#17a2b8", "#a0522d"];
const OTHER = "#8a8896";
const MARGIN = 14, REACH = 24; // CSS pixels
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class TrackMap {
  // canvas: focusable; legend: a list; said: an output; open(point): what a press does
  constructor(canvas, legend, said, open) {
    Object.assign(this, { canvas, legend, said, open, points: [], colours: new Map(), at: null, here: null, near: new Set() });
    canvas.addEventListener("pointermove", (event) => this.point(this.under(event)));
    canvas.addEventListener("pointerleave", () => { if (document.activeElement !== canvas) this.point(null); });
    canvas.addEventListener("click", (event) => { this.point(this.under(event)); this.press(); });
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  fill(points) {
    this.points = points;
    const counts = new Map();
    for (const { genre } of points) if (genre) counts.set(genre, (counts.get(genre) ?? 0) + 1);
    const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, PALETTE.length).map(([genre]) => genre);
    this.colours = new Map(common.map((genre, i) => [genre, PALETTE[i]]));
    const shown = counts.size > common.length || points.some((p) => !p.genre) ? [...this.colours, ["other", OTHER]] : [...this.colours];
    this.legend.replaceChildren(...shown.map(([name, colour]) => {
      const item = document.createElement("li"), dot = document.createElement("i");
      dot.style.background = colour;
      item.append(dot, name);
      return item;
    }));
    this.draw();
  }

  // chosen: an id of the catalog or null; place: of a file that is in no catalog; near: recommended ids
  mark({ chosen = null, place = null, near = [] }) {
    const found = this.points.find((p) => p.id === chosen);
    Object.assign(this, { here: found?.place ?? place, near: new Set(near) });
    this.draw();
  }

  point(index) {
    if (index === this.at) return;
    this.at = index;
    const track = this.points[index];
    this.said.textContent = track ? [track.title ?? track.id, track.artist, track.genre].filter(Boolean).join(" · ") : "";
    this.draw();
  }

  press() {
    if (this.at !== null) this.open(this.points[this.at]);
  }

  key(event) {
    if (event.key in WAYS) this.point(this.next(WAYS[event.key]));
    else if (event.key === "Enter" || event.key === " ") this.press();
    else return;
    event.preventDefault();
  }

  // the nearest point in a direction, what lies aside counting double; at first the one nearest to the cross or the middle
  next([dx, dy]) {
    const places = this.points.map((p) => this.pixel(p.place));
    const from = this.at === null ? this.pixel(this.here ?? [0, 0]) : places[this.at];
    let best = this.at, least = Infinity;
    places.forEach(([x, y], i) => {
      const along = (x - from[0]) * dx + (y - from[1]) * dy, aside = Math.abs((x - from[0]) * dy) + Math.abs((y - from[1]) * dx);
      const far = Math.abs(along) + 2 * aside;
      if (i !== this.at && far < least && (this.at === null || along > 0)) [best, least] = [i, far];
    });
    return best;
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    let best = null, least = REACH;
    this.points.forEach((p, i) => {
      const [x, y] = this.pixel(p.place), far = Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
      if (far < least) [best, least] = [i, far];
    });
    return best;
  }

  pixel([x, y]) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const within = (v) => Math.min(Math.max(v, -1), 1);
    return [width / 2 + within(x) * (width / 2 - MARGIN), height / 2 - within(y) * (height / 2 - MARGIN)];
  }

  draw() {
    const { canvas } = this, scale = window.devicePixelRatio || 1, style = getComputedStyle(canvas);
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const disc = (place, radius) => { pen.beginPath(); pen.arc(...this.pixel(place), radius, 0, 2 * Math.PI); };
    for (const { place, genre } of this.points) {
      pen.fillStyle = this.colours.get(genre) ?? OTHER;
      pen.globalAlpha = 0.8;
      disc(place, 4);
      pen.fill();
    }
    pen.globalAlpha = 1;
    pen.lineWidth = 2;
    pen.strokeStyle = style.getPropertyValue("--ink");
    for (const { place, id } of this.points) if (this.near.has(id)) { disc(place, 7); pen.stroke(); }
    if (this.at !== null) { disc(this.points[this.at].place, 10); pen.stroke(); }
    if (this.here) this.cross(pen, style.getPropertyValue("--accent"));
  }

  cross(pen, colour) {
    const [x, y] = this.pixel(this.here);
    for (const [width, ink] of [[7, getComputedStyle(this.canvas).getPropertyValue("--card")], [3, colour]]) {
      pen.lineWidth = width;
      pen.strokeStyle = ink;
      pen.beginPath();
      pen.moveTo(x - 8, y - 8); pen.lineTo(x + 8, y + 8); pen.moveTo(x - 8, y + 8); pen.lineTo(x + 8, y - 8);
      pen.stroke();
    }
  }
}
