/** MQTT control packet types that a client may send (MQTT 3.1.1, table 2.1). */
export const CONNECT = 1;
export const PUBLISH = 3;
const SUBSCRIBE = 8;
const UNSUBSCRIBE = 10;
const PUBACK = 4;
const PUBREC = 5;
const PUBREL = 6;
const PUBCOMP = 7;
export const PINGREQ = 12;
export const DISCONNECT = 14;

/** Bytes that the CONNECT packet may have after its fixed header. */
export const MAX_CONNECT_BYTES = 4_096;
/** A payload of 256 KiB, and 1 KiB for topic and packet id. */
const MAX_FRAME_BYTES = 257 * 1_024;

/** A fixed header: packet type, flags, length of what follows, and its own size in bytes. */
export interface FrameHeader {
  readonly type: number;
  readonly flags: number;
  readonly length: number;
  readonly size: number;
}

/** True for the packets that acknowledge another one. */
export function isAnswer(type: number): boolean {
  return type === PUBACK || type === PUBREC || type === PUBREL || type === PUBCOMP;
}

/** Reads the fixed header at `at`: null where bytes are missing, `invalid` where the length has more than four [MQTT-2.2.3]. */
export function readHeader(bytes: Uint8Array, at: number): FrameHeader | null | 'invalid' {
  if (at >= bytes.length) return null;
  let length = 0;
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return null;
    length += (byte & 0x7f) * 128 ** (i - 1);
    if (byte < 0x80) return { type: bytes[at]! >> 4, flags: bytes[at]! & 15, length, size: i + 1 };
  }
  return 'invalid';
}

/** Why a client may not send this header, after its CONNECT; null where it may. */
export function headerProblem({ type, flags, length }: FrameHeader): string | null {
  switch (type) {
    case PUBLISH:
      if ((flags & 6) === 6) return 'a QoS of 3'; // [MQTT-3.3.1-4]
      return length > MAX_FRAME_BYTES ? 'a packet that is too large' : null;
    case SUBSCRIBE:
    case UNSUBSCRIBE:
      if (flags !== 2) return 'reserved flags'; // [MQTT-3.8.1-1], [MQTT-3.10.1-1]
      if (length <= 2) return 'no filter'; // [MQTT-3.8.3-3], [MQTT-3.10.3-2]
      return length > MAX_FRAME_BYTES ? 'a packet that is too large' : null;
    case PUBACK:
    case PUBREC:
    case PUBCOMP:
    case PUBREL:
      if (flags !== (type === PUBREL ? 2 : 0)) return 'reserved flags'; // [MQTT-2.2.2-2]
      return length === 2 ? null : 'a wrong length';
    case PINGREQ:
    case DISCONNECT:
      if (flags !== 0) return 'reserved flags'; // [MQTT-3.14.1-1]
      return length === 0 ? null : 'a wrong length';
    case CONNECT:
      return 'a second CONNECT'; // [MQTT-3.1.0-2]
    default:
      return 'a packet type that no client may send';
  }
}
