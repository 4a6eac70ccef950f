/** Yields the server-sent events of a body: their data as text, and their name, by default "message". */
export async function* events(/** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      const blocks = text.split(/\r?\n\r?\n/);
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        /** @type {{name: string, data: string[]}} */
        const event = { name: "message", data: [] };
        for (const line of block.split(/\r?\n/)) {
          if (line.startsWith("event:")) event.name = line.slice(6).trim();
          else if (line.startsWith("data:")) event.data.push(line.slice(5).replace(/^ /, ""));
        }
        if (event.data.length) yield { name: event.name, data: event.data.join("\n") };
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // also when the caller stops early, so that the server stops too
  }
}
