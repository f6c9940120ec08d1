import { connect } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
/** The end of a chunked body [RFC 9112, 7.1]. No JSON holds a bare CR LF, so that it is found nowhere else. */
const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n');

/**
 * What came back. `text` makes the body, which costs more than the rest: for the few that are looked at.
 * @typedef {object} HttpAnswer
 * @property {number} status
 * @property {Buffer} bytes the whole response
 * @property {() => string} text
 */

/** A keep-alive HTTP/1.1 connection with one request at a time, reduced to what the load needs: it writes buffers and finds where a response ends. */
export class HttpConnection {
  #socket = /** @type {import('node:net').Socket | null} */ (null);
  /** @type {Buffer[]} */
  #parts = [];
  #held = 0;
  /** Bytes of the response under way; 0: not known yet, Infinity: until the last chunk. */
  #length = 0;
  #onAnswer = (/** @type {HttpAnswer} */ _answer) => {};

  /**
   * Resolves once connected. Failures, and a connection that the server closes, go to `onFailure`.
   * @param {{ port: number, onFailure: (error: Error) => void }} options
   * @returns {Promise<void>}
   */
  open({ port, onFailure }) {
    return new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => resolve());
      socket.on('data', (chunk) => this.#read(chunk));
      socket.on('error', onFailure);
      socket.on('close', () => onFailure(new Error('the server closed an HTTP connection')));
      this.#socket = socket;
    });
  }

  /** Writes a whole request; `onAnswer` is called with the whole response. */
  request(/** @type {Buffer} */ bytes, /** @type {(answer: HttpAnswer) => void} */ onAnswer) {
    this.#onAnswer = onAnswer;
    this.#socket?.write(bytes);
  }

  close() {
    this.#socket?.removeAllListeners('close').destroy();
  }

  #read(/** @type {Buffer} */ chunk) {
    this.#parts.push(chunk);
    this.#held += chunk.length;
    if (this.#length === 0) this.#length = lengthOf(this.#joined());
    if (this.#length === 0 || this.#held < this.#length) {
      if (this.#length !== Infinity || !this.#joined().subarray(-LAST_CHUNK.length).equals(LAST_CHUNK)) return;
    }
    const bytes = this.#joined();
    this.#parts = [];
    this.#held = 0;
    this.#length = 0;
    this.#onAnswer({ status: Number(bytes.toString('latin1', 9, 12)), bytes, text: () => bodyOf(bytes) });
  }

  #joined() {
    const bytes = this.#parts.length === 1 ? /** @type {Buffer} */ (this.#parts[0]) : Buffer.concat(this.#parts);
    this.#parts = [bytes];
    return bytes;
  }
}

/** Bytes of the response that begins here; 0 while its head is not whole, Infinity where its body is chunked. */
function lengthOf(/** @type {Buffer} */ bytes) {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString('latin1', 0, headEnd))?.[1];
  return length === undefined ? Infinity : headEnd + HEAD_END.length + Number(length);
}

function bodyOf(/** @type {Buffer} */ bytes) {
  const headEnd = bytes.indexOf(HEAD_END);
  let at = headEnd + HEAD_END.length;
  if (!/\r\ntransfer-encoding: *chunked/i.test(bytes.toString('latin1', 0, headEnd))) return bytes.toString('utf8', at);
  const chunks = [];
  for (let size = 1; size > 0; at += size + 2) {
    const lineEnd = bytes.indexOf('\r\n', at);
    size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    at = lineEnd + 2;
    chunks.push(bytes.subarray(at, at + size));
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The bytes of a request, with a JSON body or without one. */
export function httpRequest(
  /** @type {string} */ method,
  /** @type {string} */ path,
  /** @type {{ body?: object, headers?: Readonly<Record<string, string>> }} */ { body, headers = {} } = {},
) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const content =
    body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  const lines = Object.entries({ host: 'localhost', ...content, ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${text}`);
}
