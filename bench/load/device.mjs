import { connect } from 'node:net';
import { connectPacket, DISCONNECT, publishPacket, subscribePacket } from './packets.mjs';

const CONNACK = 0x20;
const PUBLISH = 0x30;
const PUBACK = 0x40;
const SUBACK = 0x90;
const ANSWER = Buffer.from('{"status":"succeeded","result":{"fan":true}}');

/** A device that answers every command at once with `succeeded`: one connection, MQTT 3.1.1, QoS 1. */
export class Device {
  /** Commands that came, answers written, and answers that the broker acknowledged. */
  received = 0;
  acknowledged = 0;

  #id;
  #prefix;
  #onAcknowledged;
  #socket = /** @type {import('node:net').Socket | null} */ (null);
  #rest = /** @type {Buffer} */ (Buffer.alloc(0));
  #packetId = 0;
  #onReady = () => {};

  /** @param {{ id: string, prefix: string, onAcknowledged: () => void }} options */
  constructor({ id, prefix, onAcknowledged }) {
    this.#id = id;
    this.#prefix = prefix;
    this.#onAcknowledged = onAcknowledged;
  }

  /**
   * Resolves once its subscription is granted. Failures go to `onFailure`.
   * @param {{ port: number, keepalive: number, onFailure: (error: Error) => void }} options
   * @returns {Promise<void>}
   */
  open({ port, keepalive, onFailure }) {
    return new Promise((resolve) => {
      this.#onReady = resolve;
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      socket.on('data', (chunk) => {
        try {
          this.#read(chunk);
        } catch (error) {
          onFailure(/** @type {Error} */ (error));
        }
      });
      socket.on('error', onFailure);
      socket.on('close', () => onFailure(new Error(`${this.#id}: the broker closed the connection`)));
      socket.write(connectPacket(this.#id, keepalive));
      this.#socket = socket;
    });
  }

  close() {
    this.#socket?.removeAllListeners('close').end(DISCONNECT);
  }

  #read(/** @type {Buffer} */ chunk) {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    /** @type {Buffer[]} */
    const out = [];
    for (;;) {
      const frame = frameOf(bytes);
      if (!frame) break;
      this.#packet(bytes, frame, out);
      bytes = bytes.subarray(frame.end);
    }
    this.#rest = bytes;
    if (out.length > 0) this.#socket?.write(Buffer.concat(out));
  }

  #packet(
    /** @type {Buffer} */ bytes,
    /** @type {{ body: number, end: number }} */ { body, end },
    /** @type {Buffer[]} */ out,
  ) {
    const head = bytes.readUInt8(0);
    const kind = head & 0xf0;
    if (kind === PUBLISH) {
      const topicEnd = body + 2 + bytes.readUInt16BE(body);
      // QoS 0 is something else, such as down/acks.
      if ((head & 0x06) === 0) return;
      out.push(Buffer.from([PUBACK, 2, bytes[topicEnd] ?? 0, bytes[topicEnd + 1] ?? 0]));
      const commandId = bytes.toString('latin1', bytes.lastIndexOf('/', topicEnd - 1) + 1, topicEnd);
      this.received += 1;
      this.#packetId = (this.#packetId % 65_535) + 1;
      out.push(publishPacket(`${this.#prefix}/${this.#id}/up/commands/${commandId}`, this.#packetId, ANSWER));
    } else if (kind === PUBACK) {
      this.acknowledged += 1;
      this.#onAcknowledged();
    } else if (kind === CONNACK && bytes[body + 1] === 0) {
      out.push(subscribePacket(`${this.#prefix}/${this.#id}/down/commands/+`, 1));
    } else if (kind === SUBACK && bytes[end - 1] === 1) {
      this.#onReady();
    } else {
      throw new Error(`${this.#id}: unexpected packet ${bytes.toString('hex', 0, end)}`);
    }
  }
}

/** Where the body of the packet that begins here starts and ends, or null while it is not whole. [MQTT-2.2.3] */
function frameOf(/** @type {Buffer} */ bytes) {
  let length = 0;
  for (let at = 1; at < bytes.length; at += 1) {
    const byte = /** @type {number} */ (bytes[at]);
    length += (byte & 0x7f) * 128 ** (at - 1);
    if ((byte & 0x80) === 0) return bytes.length < at + 1 + length ? null : { body: at + 1, end: at + 1 + length };
  }
  return null;
}
