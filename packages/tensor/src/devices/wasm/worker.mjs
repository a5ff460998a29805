/**
 * A worker thread of the wasm device, in Node and in browsers. It instantiates the compiled module on the shared memory
 * and stays inside it (assembly/runtime.ts) until a kernel fails or the thread is terminated. Plain JavaScript without
 * imports, so that it starts as it is, whatever loads the rest of the package.
 */
const port = globalThis.process?.getBuiltinModule?.('node:worker_threads').parentPort ?? globalThis;

function run({ module, memory, control, scratch, clockOrigin }) {
  const { exports } = new WebAssembly.Instance(module, {
    env: { memory },
    runtime: {
      now: () => performance.timeOrigin - clockOrigin + performance.now(),
      signal: () => port.postMessage({ kind: 'signal' }),
    },
  });
  exports.attach(control, scratch);
  port.postMessage({ kind: 'ready' });
  try {
    exports.work();
  } catch (error) {
    // Said before the other threads stop, so that this is the first thing that the recording thread hears.
    port.postMessage({
      kind: 'failed',
      opcode: exports.currentOpcode(),
      tile: exports.currentTile(),
      index: exports.faultIndex(),
      bound: exports.faultBound(),
      message: String(error?.message ?? error),
    });
    exports.stop();
  }
}

if (port === globalThis) port.addEventListener('message', (event) => run(event.data), { once: true });
else port.once('message', run);
