// Waveform and spectrogram of a decoded track, drawn on canvases.

const SIZE = 1024;
const FLOOR = 80; // dB below the loudest that still show

export async function decode(bytes) {
  const context = new OfflineAudioContext(1, 1, 22050);
  const buffer = await context.decodeAudioData(bytes);
  const mono = new Float32Array(buffer.length);
  for (let c = 0; c < buffer.numberOfChannels; c++) {
    const channel = buffer.getChannelData(c);
    for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / buffer.numberOfChannels;
  }
  return { samples: mono, rate: buffer.sampleRate, seconds: buffer.duration };
}

export function drawWave(canvas, { samples }) {
  const { width, height } = canvas, pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = getComputedStyle(canvas).getPropertyValue("--accent");
  const step = samples.length / width;
  for (let x = 0; x < width; x++) {
    let low = 0, high = 0;
    for (let i = Math.floor(x * step); i < Math.min((x + 1) * step, samples.length); i++) {
      if (samples[i] < low) low = samples[i];
      if (samples[i] > high) high = samples[i];
    }
    pen.fillRect(x, (1 - high) * height / 2, 1, Math.max((high - low) * height / 2, 1));
  }
}

export function drawSpectrum(canvas, { samples, rate }) {
  const columns = canvas.width / 2, rows = canvas.height / 2, power = new Float32Array(columns * rows);
  const window = Float32Array.from({ length: SIZE }, (_, n) => 0.5 - 0.5 * Math.cos(2 * Math.PI * n / SIZE));
  const edges = Array.from({ length: rows + 1 }, (_, r) => bin(r / rows, rate));
  let loudest = 1e-10;
  for (let x = 0; x < columns; x++) {
    const start = Math.round(x * Math.max(samples.length - SIZE, 0) / columns);
    const real = new Float32Array(SIZE), imaginary = new Float32Array(SIZE);
    for (let n = 0; n < SIZE && start + n < samples.length; n++) real[n] = samples[start + n] * window[n];
    transform(real, imaginary);
    for (let r = 0; r < rows; r++) {
      const from = Math.floor(edges[r]), to = Math.max(Math.ceil(edges[r + 1]), from + 1);
      let sum = 0;
      for (let k = from; k < to; k++) sum += real[k] ** 2 + imaginary[k] ** 2;
      power[r * columns + x] = sum / (to - from);
      loudest = Math.max(loudest, sum / (to - from));
    }
  }
  paint(canvas, power, columns, rows, loudest);
}

// rows lie evenly on the mel scale
function bin(share, rate) {
  const top = 2595 * Math.log10(1 + rate / 2 / 700);
  return 700 * (10 ** (share * top / 2595) - 1) / rate * SIZE;
}

function paint(canvas, power, columns, rows, loudest) {
  const small = new OffscreenCanvas(columns, rows), pen = small.getContext("2d");
  const image = pen.createImageData(columns, rows);
  for (let r = 0; r < rows; r++) for (let x = 0; x < columns; x++) {
    const db = 10 * Math.log10(Math.max(power[r * columns + x], 1e-12) / loudest);
    const at = ((rows - 1 - r) * columns + x) * 4;
    colour(Math.max(0, 1 + db / FLOOR)).forEach((v, i) => { image.data[at + i] = v; });
    image.data[at + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  canvas.getContext("2d").drawImage(small, 0, 0, canvas.width, canvas.height);
}

// dark violet through red to pale yellow
function colour(t) {
  const stops = [[0, 0, 8], [60, 15, 110], [150, 45, 125], [230, 80, 90], [254, 160, 110], [252, 250, 190]];
  const place = Math.min(t, 0.9999) * (stops.length - 1), i = Math.floor(place);
  return stops[i].map((v, c) => v + (place - i) * (stops[i + 1][c] - v));
}

// radix-2 Fourier transform in place
function transform(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) { [real[i], real[j]] = [real[j], real[i]]; }
  }
  for (let length = 2; length <= n; length <<= 1) {
    const angle = -2 * Math.PI / length;
    for (let k = 0; k < length / 2; k++) {
      const c = Math.cos(angle * k), s = Math.sin(angle * k);
      for (let i = k; i < n; i += length) {
        const j = i + length / 2;
        const re = real[j] * c - imaginary[j] * s, im = real[j] * s + imaginary[j] * c;
        real[j] = real[i] - re; imaginary[j] = imaginary[i] - im;
        real[i] += re; imaginary[i] += im;
      }
    }
  }
}
