/** A request's failure: what went wrong, in the server's words or the page's, and what can be done about it. */
export class Failure extends Error {
  /**
   * @param {{status?: number, code: string, message: string, field?: string | null, retryAfter?: number | null}} what
   *   `status` is 0 where there was no answer, `retryAfter` is in seconds.
   */
  constructor({ status = 0, code, message, field = null, retryAfter = null }) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request can't ever succeed, whenever it is sent. */
  get stays() {
    return STAYS.includes(this.code);
  }

  /** A sentence on what to do; empty if the message says it all. */
  get advice() {
    return ADVICE[this.code] ?? "";
  }

  /** The message as a sentence. The server writes it for logs too, without a capital or a full stop. */
  get sentence() {
    const text = this.message.trim();
    return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
  }

  /** Reads an unsuccessful answer: its body in Recap's or OpenAI's form, else (a proxy's, say) its status. */
  static async from(/** @type {Response} */ response) {
    /** @type {any} */
    let body = null;
    try {
      body = await response.json();
    } catch {
      // Not JSON: the status has to do.
    }
    const error = body?.error ?? {};
    return new Failure({
      status: response.status,
      code: error.code ?? `http_${response.status}`,
      message: error.message ?? `the server answered ${response.status} ${response.statusText}`.trim(),
      field: error.field ?? error.param ?? null,
      retryAfter: Number(response.headers.get("retry-after")) || null,
    });
  }
}

/** Codes of what lies in the file itself. */
const STAYS = ["not_an_image", "empty_image", "damaged_image", "unsupported_format", "image_too_large", "body_too_large"];

/** @type {Record<string, string>} */
const ADVICE = {
  not_an_image: "Choose a picture file.",
  empty_image: "The file has nothing in it. Save or download it again.",
  damaged_image: "Open it in a picture editor and save it again, or download it anew.",
  unsupported_format: "Save it as JPEG or PNG, and try that.",
  image_too_large: "Send a smaller copy of it.",
  body_too_large: "Send a smaller copy of it.",
  body_too_slow: "The connection may be too slow for it. Send a smaller copy.",
  missing_api_key: "Enter the key that you were given for this server.",
  invalid_api_key: "Check the key, and enter it again.",
  rate_limit_exceeded: "Wait a little, and try again.",
  queue_full: "Wait a little, and try again.",
  deadline_exceeded: "The server is busy. Try again.",
  loading: "It will be there in a moment. Try again.",
  draining: "It is being stopped or restarted. Try again in a minute.",
  internal_error: "Try again. If it stays so, tell whoever runs this server that number.",
  unreachable: "See whether the server is running and the network is there, then try again.",
  cut: "Try again.",
};
