import { connect } from 'node:net';
import { connectPacket, DISCONNECT, stamp } from './packets.mjs';

/** Read into by every connection in turn: the callback has used it up when it returns. */
const readBuffer = Buffer.allocUnsafe(65_536);

const CONNACK = 0x20;
const PUBACK = 0x40;

/**
 * One device's side of an MQTT connection, reduced to what the load needs: it writes slices of its ring and reads four-byte
 * PUBACKs. `start` of a message is the time from which its latency counts.
 */
export class Connection {
  /** Messages written, and messages acknowledged. */
  sent = 0;
  acknowledged = 0;
  /** Acknowledgements that overtook an earlier one of this connection, and those of nothing in flight. */
  outOfOrder = 0;
  unknown = 0;
  /** How many messages may have been written by now. */
  due = 0;

  #socket = /** @type {import('node:net').Socket | null} */ (null);
  #ring;
  #window;
  #refill;
  #size;
  /** Start of the message in each slot; 0 where none is in flight. */
  #starts;
  #expected = 1;
  /** A packet that the read chunk cut: its bytes so far, and how many. */
  #partial = Buffer.alloc(4);
  #held = 0;
  #startOf;
  #onAck;

  /**
   * @param {object} options
   * @param {import('./packets.mjs').Ring} options.ring
   * @param {number} options.window most messages in flight
   * @param {number} options.refill writes only once so many of the window are free, so that a write carries several packets
   * @param {((n: number) => number) | null} options.startOf when message n should have gone; null: when it was written
   * @param {(start: number, now: number) => void} options.onAck
   */
  constructor({ ring, window, refill, startOf, onAck }) {
    this.#ring = ring;
    this.#window = window;
    this.#refill = refill;
    this.#startOf = startOf;
    this.#onAck = onAck;
    this.#size = ring.offsets.length - 1;
    this.#starts = new Float64Array(this.#size);
  }

  /**
   * Resolves after CONNACK 0; rejects on any other answer. Later failures go to `onFailure`.
   * @param {{ port: number, clientId: string, keepalive: number, password: string | null, onFailure: (error: Error) => void }} options
   * @returns {Promise<void>}
   */
  open({ port, clientId, keepalive, password, onFailure }) {
    return new Promise((resolve, reject) => {
      const connack = () => resolve();
      const fail = (/** @type {Error} */ error) => {
        reject(error);
        onFailure(error);
      };
      this.#socket = connect({
        host: '127.0.0.1',
        port,
        noDelay: true,
        onread: {
          buffer: readBuffer,
          callback: (length, buffer) => {
            try {
              this.#read(/** @type {Buffer} */ (buffer), length, connack);
            } catch (error) {
              fail(/** @type {Error} */ (error));
            }
            return true;
          },
        },
      });
      this.#socket.on('error', fail);
      this.#socket.on('close', () => fail(new Error(`${clientId}: the broker closed the connection`)));
      this.#socket.write(connectPacket(clientId, keepalive, password));
    });
  }

  /** Writes what the window, the ring and `due` allow. */
  pump(/** @type {number} */ now) {
    const free = this.#window - (this.sent - this.acknowledged);
    let count = Math.min(free, this.due - this.sent);
    if (count <= 0 || (count === free && free < this.#refill)) return;
    while (count > 0) {
      const from = this.sent % this.#size;
      const to = Math.min(from + count, this.#size);
      for (let slot = from; slot < to; slot += 1) this.#begin(slot, this.sent + slot - from, now);
      const { bytes, offsets } = this.#ring;
      this.#socket?.write(bytes.subarray(offsets[from], offsets[to]));
      this.sent += to - from;
      count -= to - from;
    }
  }

  /** Sends DISCONNECT and resolves when the socket is closed. */
  close() {
    const socket = this.#socket;
    if (!socket || socket.closed) return Promise.resolve();
    socket.removeAllListeners('close').removeAllListeners('error');
    socket.on('error', () => undefined);
    return new Promise((resolve) => {
      socket.once('close', resolve);
      socket.end(DISCONNECT);
      socket.setTimeout(1_000, () => socket.destroy());
    });
  }

  #begin(/** @type {number} */ slot, /** @type {number} */ n, /** @type {number} */ now) {
    if (this.#starts[slot] !== 0) throw new Error(`packet id ${slot + 1} is still in flight`);
    this.#starts[slot] = this.#startOf === null ? now : this.#startOf(n);
    if (this.#ring.seqAt.length > 0) stamp(this.#ring, slot, Math.floor(performance.timeOrigin + now), n);
  }

  #read(/** @type {Buffer} */ buffer, /** @type {number} */ length, /** @type {() => void} */ connack) {
    const now = performance.now();
    let at = 0;
    while (this.#held > 0 && at < length) {
      this.#partial[this.#held] = /** @type {number} */ (buffer[at]);
      this.#held += 1;
      at += 1;
      if (this.#held === 4) {
        this.#held = 0;
        this.#packet(this.#partial, 0, now, connack);
      }
    }
    for (; at + 4 <= length; at += 4) this.#packet(buffer, at, now, connack);
    if (at < length) this.#held = buffer.copy(this.#partial, 0, at, length);
    this.pump(now);
  }

  #packet(
    /** @type {Buffer} */ bytes,
    /** @type {number} */ at,
    /** @type {number} */ now,
    /** @type {() => void} */ connack,
  ) {
    const id = bytes.readUInt16BE(at + 2);
    if (bytes[at] === PUBACK && bytes[at + 1] === 2) this.#ack(id, now);
    else if (bytes[at] === CONNACK && bytes[at + 1] === 2 && id === 0) connack();
    else throw new Error(`unexpected packet ${bytes.toString('hex', at, at + 4)}`);
  }

  #ack(/** @type {number} */ id, /** @type {number} */ now) {
    const start = this.#starts[id - 1];
    if (start === undefined || start === 0) {
      this.unknown += 1;
      return;
    }
    if (id !== this.#expected) this.outOfOrder += 1;
    this.#expected = id === this.#size ? 1 : id + 1;
    this.#starts[id - 1] = 0;
    this.acknowledged += 1;
    this.#onAck(start, now);
  }
}
