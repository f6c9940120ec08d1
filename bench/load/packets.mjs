/** Bytes of `seq` and `ts` in an envelope: fixed, so that they can be rewritten in place. */
const SEQ_DIGITS = 10;
const TS_DIGITS = 13;
const FIRST_SEQ = 10 ** (SEQ_DIGITS - 1);

/** @typedef {'flat' | 'envelope'} Form */

/**
 * The PUBLISH packets of one connection, one after the other in one buffer. Packet i has the id i + 1 and is sent again when
 * the connection has been round, so sending is a write of a slice and never builds anything.
 * @typedef {object} Ring
 * @property {Buffer} bytes
 * @property {Uint32Array} offsets where packet i begins; one more than there are packets
 * @property {Uint32Array} seqAt where the digits of its `seq` begin; empty for flat readings
 * @property {Uint32Array} tsAt where the digits of its `ts` begin; empty for flat readings
 */

/** CONNECT of MQTT 3.1.1 with a clean session and no will [MQTT-3.1]; with a password its user name is the client id. */
export function connectPacket(
  /** @type {string} */ clientId,
  /** @type {number} */ keepalive,
  /** @type {string | null} */ password = null,
) {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(4, 0);
  head.write('MQTT', 2);
  head[6] = 4;
  head[7] = password === null ? 0x02 : 0xc2;
  head.writeUInt16BE(keepalive, 8);
  const texts = password === null ? [clientId] : [clientId, clientId, password];
  const body = Buffer.concat([head, ...texts.map(field)]);
  return Buffer.concat([Buffer.from([0x10, ...remainingLength(body.length)]), body]);
}

export const DISCONNECT = Buffer.from([0xe0, 0x00]);

/** SUBSCRIBE to one filter with QoS 1 [MQTT-3.8]. */
export function subscribePacket(/** @type {string} */ filter, /** @type {number} */ packetId) {
  const text = Buffer.from(filter);
  const body = Buffer.alloc(5 + text.length);
  body.writeUInt16BE(packetId, 0);
  body.writeUInt16BE(text.length, 2);
  text.copy(body, 4);
  body[body.length - 1] = 1;
  return Buffer.concat([Buffer.from([0x82, ...remainingLength(body.length)]), body]);
}

/** PUBLISH with QoS 1, not retained [MQTT-3.3]. */
export function publishPacket(
  /** @type {string} */ topic,
  /** @type {number} */ packetId,
  /** @type {Buffer} */ payload,
) {
  const name = Buffer.from(topic);
  const length = 2 + name.length + 2 + payload.length;
  const head = Buffer.from([0x32, ...remainingLength(length)]);
  const packet = Buffer.alloc(head.length + length);
  head.copy(packet);
  packet.writeUInt16BE(name.length, head.length);
  name.copy(packet, head.length + 2);
  packet.writeUInt16BE(packetId, head.length + 2 + name.length);
  payload.copy(packet, packet.length - payload.length);
  return packet;
}

/**
 * Builds the ring of a connection: QoS 1, one reading of two metrics a packet, the devices taken in turn.
 * @param {{ deviceIds: readonly string[], prefix: string, size: number, form: Form }} options
 * @returns {Ring}
 */
export function buildRing({ deviceIds, prefix, size, form }) {
  const packets = [];
  const offsets = new Uint32Array(size + 1);
  const seqAt = new Uint32Array(form === 'flat' ? 0 : size);
  const tsAt = new Uint32Array(form === 'flat' ? 0 : size);
  for (let i = 0; i < size; i += 1) {
    const topic = `${prefix}/${deviceIds[i % deviceIds.length]}/up/telemetry`;
    const packet = publishPacket(topic, i + 1, Buffer.from(reading(i, form)));
    packets.push(packet);
    const at = /** @type {number} */ (offsets[i]);
    offsets[i + 1] = at + packet.length;
    if (form === 'envelope') {
      seqAt[i] = at + packet.indexOf('"seq":') + '"seq":'.length;
      tsAt[i] = at + packet.indexOf('"ts":') + '"ts":'.length;
    }
  }
  return { bytes: Buffer.concat(packets), offsets, seqAt, tsAt };
}

/** Overwrites `ts` (epoch milliseconds) and `seq` of packet `slot`: the identity of an envelope is (device, ts, seq). */
export function stamp(
  /** @type {Ring} */ ring,
  /** @type {number} */ slot,
  /** @type {number} */ ts,
  /** @type {number} */ seq,
) {
  writeDigits(ring.bytes, /** @type {number} */ (ring.seqAt[slot]), SEQ_DIGITS, FIRST_SEQ + seq);
  writeDigits(ring.bytes, /** @type {number} */ (ring.tsAt[slot]), TS_DIGITS, ts);
}

function reading(/** @type {number} */ i, /** @type {Form} */ form) {
  const values = { temperature: (1500 + ((i * 7) % 2000)) / 100, humidity: (300 + ((i * 13) % 600)) / 10 };
  return JSON.stringify(form === 'flat' ? values : { values, ts: 10 ** (TS_DIGITS - 1), seq: FIRST_SEQ });
}

function writeDigits(
  /** @type {Buffer} */ bytes,
  /** @type {number} */ at,
  /** @type {number} */ digits,
  /** @type {number} */ value,
) {
  for (let i = at + digits - 1; i >= at; i -= 1) {
    bytes[i] = 48 + (value % 10);
    value = Math.floor(value / 10);
  }
}

/** [MQTT-1.5.3] */
function field(/** @type {string} */ text) {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** [MQTT-2.2.3] */
function remainingLength(/** @type {number} */ length) {
  const bytes = [];
  do {
    const low = length % 128;
    length = Math.floor(length / 128);
    bytes.push(length > 0 ? low | 0x80 : low);
  } while (length > 0);
  return bytes;
}
