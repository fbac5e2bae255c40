// A guest in v86, the emulator as npm ships it, with its own network adapter: boots Debian's kernel and busybox, then runs the
// shell lines it gets on standard input and prints what the serial port says.
//
//     node guest.mjs FILES-DIR WEBSOCKET-URL
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [files, url] = process.argv.slice(2);
const require = createRequire(path.join(files, "node_modules", "x.js"));
globalThis.WebSocket ??= require("ws"); // Node has one of its own from version 22 on
const { V86 } = await import(pathToFileURL(path.join(files, "node_modules/v86/build/libv86.mjs")));

function read(name) {
  const bytes = fs.readFileSync(path.join(files, name));
  return { buffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) };
}

const emulator = new V86({
  wasm_path: path.join(files, "node_modules/v86/build/v86.wasm"),
  memory_size: 96 << 20,
  vga_memory_size: 2 << 20,
  bios: read("bios.bin"),
  vga_bios: read("vgabios.bin"),
  bzimage: read("vmlinuz"),
  initrd: read("initrd"),
  cmdline: "console=ttyS0 quiet mitigations=off tsc=reliable random.trust_cpu=on",
  net_device: { type: "ne2k", relay_url: url },
  autostart: true,
});

let line = "";
emulator.add_listener("serial0-output-byte", (byte) => {
  const char = String.fromCharCode(byte);
  if (char === "\n") {
    console.log(line);
    line = "";
  } else if (char !== "\r") {
    line += char;
  }
});
readline.createInterface({ input: process.stdin }).on("line", (text) => emulator.serial0_send(text + "\n"));
