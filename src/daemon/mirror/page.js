"use strict";
// The panel in this page. Pictures come as changed rectangles over a WebSocket, or whole once a second where there is none;
// touches and keys go back as short lines of text. src/daemon/mirror/difference.rs and message.rs say both formats.
(() => {
  const byId = (id) => document.getElementById(id);
  const panel = byId("panel"), still = byId("still"), live = byId("live"), words = byId("state");
  const takeButton = byId("take"), leaveForm = byId("leave");
  const drawing = live.getContext("2d", { alpha: false });

  const FINGERS = 5; // more hands than these are no hands
  const MOVES_MS = 25; // how often a finger's way is told
  const POLL_MS = 1000;
  const LONGEST_WAIT_MS = 10000;

  // --- what is said beside the picture ---

  let state = null; // as the server told last; nothing while disconnected
  let trouble = "Connecting.";

  function told(next, why) {
    state = next;
    trouble = why || "";
    panel.dataset.state = state ? (state.writing ? "writing" : "looking") : "off";
    panel.classList.toggle("off", !state);
    panel.classList.toggle("looking", Boolean(state && !state.writing));
    takeButton.hidden = !state || state.writing;
    leaveForm.hidden = !state || !state.login;
    const text = !state ? trouble
      : !state.screen ? "Connected, but the device has no screen now."
      : [
          state.writing ? "Connected." : "Only looking: somebody else works with the panel.",
          state.locked ? "The panel is locked." : "",
        ].join(" ").trim();
    if (words.textContent !== text) words.textContent = text;
    if (!state) fingers.clear();
  }

  // --- pictures ---

  let work = Promise.resolve(); // one picture is drawn after the other

  function shown(serial) {
    still.hidden = true;
    live.dataset.serial = serial;
    live.dispatchEvent(new CustomEvent("painted", { detail: { serial } }));
  }

  function sized(width, height) {
    if (live.width !== width || live.height !== height) {
      live.width = width;
      live.height = height;
    }
  }

  async function drawUpdate(buffer) {
    const view = new DataView(buffer);
    let at = 0;
    const number = (bytes) => {
      const value = bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at) : view.getUint32(at);
      at += bytes;
      return value;
    };
    if (number(1) !== 1) throw new Error("another version");
    const serial = number(4), width = number(2), height = number(2), count = number(2);
    const pieces = [];
    for (let index = 0; index < count; index += 1) {
      const [x, y, wide, high] = [number(2), number(2), number(2), number(2)];
      const how = number(1), length = number(4);
      const bytes = new Uint8Array(buffer, at, length);
      at += length;
      pieces.push(decoded(how, wide, high, bytes).then((picture) => ({ x, y, picture })));
    }
    const ready = await Promise.all(pieces);
    sized(width, height);
    for (const { x, y, picture } of ready) {
      if (picture instanceof ImageData) {
        drawing.putImageData(picture, x, y);
      } else {
        drawing.drawImage(picture, x, y);
        picture.close();
      }
    }
    shown(serial);
    return serial;
  }

  async function decoded(how, width, height, bytes) {
    if (how === 1) {
      const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
      return createImageBitmap(new Blob([bytes], { type: "image/png" }), options);
    }
    const picture = new ImageData(width, height);
    for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
      picture.data.set(bytes.subarray(from, from + 3), to);
      picture.data[to + 3] = 255;
    }
    return picture;
  }

  // --- the way to the device ---

  let socket = null; // while it is open
  let tries = 0;

  function say(message) {
    if (socket) socket.send(message);
    else if (polling) { queue.push(message); poll(); }
  }

  function connect() {
    const scheme = location.protocol === "https:" ? "wss://" : "ws://";
    let opened = false;
    let next;
    try {
      next = new WebSocket(scheme + location.host + "/glass");
    } catch {
      failed();
      return;
    }
    next.binaryType = "arraybuffer";
    next.onopen = () => { opened = true; socket = next; polling = false; tries = 0; };
    next.onmessage = ({ data }) => {
      if (typeof data === "string") {
        told(JSON.parse(data));
        return;
      }
      work = work.then(() => drawUpdate(data)).then(
        (serial) => { if (socket === next) next.send("seen " + serial); },
        () => next.close(),
      );
    };
    next.onclose = () => {
      if (socket === next) socket = null;
      if (opened) {
        told(null, "Disconnected. Trying again.");
        setTimeout(connect, 1000);
      } else {
        failed();
      }
    };
  }

  // No WebSocket: the device is gone, nobody is logged in, or something between allows plain requests alone.
  async function failed() {
    tries += 1;
    const reached = await ask([]);
    if (reached) {
      polling = true;
      told(reached);
      poll();
    }
    setTimeout(connect, reached ? 30000 : Math.min(1000 * 2 ** Math.min(tries, 8), LONGEST_WAIT_MS));
  }

  // --- without WebSockets ---

  const own = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const queue = [];
  let polling = false, asking = false, timer = 0;

  // The state, or nothing, and then it is said why.
  async function ask(messages) {
    let answer;
    try {
      answer = await fetch("/hand", { method: "POST", body: [own, ...messages].join("\n"), headers: { "Content-Type": "text/plain" } });
    } catch {
      told(null, "Disconnected. Trying again.");
      return null;
    }
    if (answer.ok) return answer.json();
    if (answer.status === 401) location.reload();
    told(null, answer.status === 403 ? "The panel is locked. Somebody has to log in at the panel first."
      : answer.status === 429 ? "Too many are looking. Trying again."
      : "The device does not answer as it should. Trying again.");
    return null;
  }

  async function poll() {
    if (asking || !polling) return;
    clearTimeout(timer);
    asking = true;
    const reached = await ask(queue.splice(0, 64));
    if (reached && polling) {
      told(reached);
      if (String(reached.serial) !== live.dataset.serial) await picture(reached.serial);
    }
    asking = false;
    // What was typed meanwhile goes at once.
    if (reached && polling) timer = setTimeout(poll, queue.length > 0 ? 0 : POLL_MS);
    else polling = false;
  }

  async function picture(serial) {
    const next = new Image();
    next.src = "/frame.png?" + serial;
    try {
      await next.decode();
    } catch {
      return;
    }
    sized(next.naturalWidth, next.naturalHeight);
    drawing.drawImage(next, 0, 0);
    shown(serial);
  }

  // --- fingers ---

  const fingers = new Map(); // by pointer: its number, where it is, whether that was told

  // Pixels of the panel, which may lie outside.
  function placed(event) {
    const box = live.getBoundingClientRect();
    const scale = Math.min(box.width / live.width, box.height / live.height);
    const left = box.left + (box.width - live.width * scale) / 2;
    const top = box.top + (box.height - live.height * scale) / 2;
    return [Math.floor((event.clientX - left) / scale), Math.floor((event.clientY - top) / scale)];
  }

  function free() {
    const taken = new Set(Array.from(fingers.values(), (finger) => finger.number));
    for (let number = 0; number < FINGERS; number += 1) if (!taken.has(number)) return number;
    return -1;
  }

  function moved(finger) {
    if (finger.told) return;
    finger.told = true;
    finger.when = performance.now();
    say(`move ${finger.number} ${finger.x} ${finger.y}`);
  }

  panel.addEventListener("pointerdown", (event) => {
    const [x, y] = placed(event), number = free();
    panel.focus();
    if (event.button !== 0 || number < 0 || !state || !state.writing) return;
    if (x < 0 || y < 0 || x >= live.width || y >= live.height) return;
    event.preventDefault();
    panel.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { number, x, y, told: true, when: performance.now() });
    say(`down ${number} ${x} ${y}`);
  });

  panel.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const [x, y] = placed(event);
    if (x === finger.x && y === finger.y) return;
    const waits = !finger.told;
    Object.assign(finger, { x, y, told: false });
    const left = MOVES_MS - (performance.now() - finger.when);
    if (left <= 0) moved(finger);
    else if (!waits) setTimeout(() => { if (fingers.get(event.pointerId) === finger) moved(finger); }, left);
  });

  function lifted(word) {
    return (event) => {
      const finger = fingers.get(event.pointerId);
      if (!finger) return;
      fingers.delete(event.pointerId);
      moved(finger);
      say(`${word} ${finger.number} ${finger.x} ${finger.y}`);
    };
  }

  panel.addEventListener("pointerup", (event) => {
    const finger = fingers.get(event.pointerId);
    if (finger) [finger.x, finger.y] = placed(event);
    lifted("up")(event);
  });
  panel.addEventListener("pointercancel", lifted("lost"));
  panel.addEventListener("lostpointercapture", lifted("lost"));
  panel.addEventListener("contextmenu", (event) => event.preventDefault());

  // --- keys ---

  const KEYS = { Backspace: "key backspace", Enter: "key enter", Escape: "key escape" };

  document.addEventListener("keydown", (event) => {
    if (event.key === "F6") {
      event.preventDefault();
      const button = [takeButton, leaveForm.querySelector("button")].find((button) => button.offsetParent);
      if (document.activeElement === panel && button) button.focus();
      else if (document.activeElement === panel) panel.blur();
      else panel.focus();
      return;
    }
    // Whoever only looks goes through the page with Tab as through any other.
    if (!state || !state.writing || event.isComposing || event.target.closest("button")) return;
    if ((event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph")) return;
    if (event.key === "Tab" && document.activeElement !== panel) return;
    const key = event.key === "Tab" ? (event.shiftKey ? "key previous" : "key next") : KEYS[event.key];
    // Names of keys are ASCII and long; a key may give several characters in some scripts.
    const characters = Array.from(event.key);
    if (key) say(key);
    else if (characters.length === 1 || /[^ -~]/.test(event.key)) for (const character of characters) say("text " + character);
    else return;
    event.preventDefault();
  });

  takeButton.addEventListener("click", () => { say("take"); panel.focus(); });
  window.addEventListener("pagehide", () => { if (socket) socket.close(); });

  told(null, "Connecting.");
  panel.focus();
  connect();
})();
