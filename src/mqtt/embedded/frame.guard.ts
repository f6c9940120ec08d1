import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type Flow, TokenBucket } from './flow.js';
import { HeldPings } from './held-pings.js';
import { SocketWriter } from './socket-writer.js';
import {
  CONNECT,
  DISCONNECT,
  type FrameHeader,
  headerProblem,
  MAX_CONNECT_BYTES,
  PINGREQ,
  PUBLISH,
  readHeader,
} from './frame-header.js';

/** Publishes of one client that may wait for their acknowledgement; more are held, not closed. */
const MAX_IN_FLIGHT = 64;
/** Bytes kept of a client that is held, before its socket is paused. */
const MAX_HELD_BYTES = 65_536;
/** An id of 65,535 bytes still gets its CONNACK. */
const MAX_ANSWERED_CONNECT = 131_072;
const READ_BUFFER = 65_536;
const WRITE_BUFFER = 65_536;
const RATE_STEP_MS = 50;
/** A peer whose socket takes nothing for this long is closed. */
export const DRAIN_TIMEOUT_MS = 20_000;
/** How long a peer has to take in our last bytes. */
const LINGER_MS = 1_000;
const PINGRESP = Buffer.from([0xd0, 0]);

/** What the guard tells of its client. */
export interface GuardEvents {
  /** The client broke a rule of the wire or a limit, and is being closed. */
  onRefused(why: 'packet' | 'connect_size' | 'rate', detail: string): void;
}

/**
 * Stands between a client's socket and aedes, and reads only fixed headers. It refuses what aedes would buffer or accept,
 * holds publishes back while too much is in flight, answers PINGREQ itself (so that a client that waits behind slow handlers
 * is neither closed nor closes), keeps the keepalive time, and joins what is written in one turn into one packet.
 */
export class FrameGuard extends Duplex {
  /** Bytes not passed on yet: part of a header, or frames that are held. */
  private pending: Buffer | null = null;
  /** Bytes of the present frame that are still to come. */
  private remaining = 0;
  private sawConnect = false;
  private connackSent = false;
  private ready = false;
  private inFlight = 0;
  /** Bytes of publishes that were counted and have not reached the intake; some may never, as those that are cut short. */
  private unclaimed = 0;
  /** True while a publish is coming in of which bytes are missing. */
  private inPublish = false;
  private held = false;
  private heldByRateSince: number | null = null;
  private rateTimer: NodeJS.Timeout | null = null;
  private keepaliveTimer: NodeJS.Timeout | null = null;
  private scheduled = false;
  private full = false;
  private ended = false;
  private sentEnd = false;
  private readonly bucket: TokenBucket;
  private readonly heldPings = new HeldPings();
  private readonly writer: SocketWriter;

  constructor(
    private readonly socket: Socket,
    private readonly flow: Flow,
    private readonly events: GuardEvents,
    drainTimeoutMs = DRAIN_TIMEOUT_MS,
  ) {
    super({ readableHighWaterMark: READ_BUFFER, writableHighWaterMark: WRITE_BUFFER, emitClose: true });
    this.bucket = new TokenBucket(flow.rate);
    this.writer = new SocketWriter(socket, drainTimeoutMs);
    this.on('drain', () => this.goOn());
    socket.on('data', this.onData);
    socket.on('end', () => {
      this.ended = true;
      this.advance();
    });
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** The CONNECT is answered: what the client sent behind it may pass. */
  open(): void {
    this.ready = true;
    this.advance();
  }

  /** Closes a client that is silent for one and a half times `seconds` [MQTT-3.1.2-24]; 0 = never. */
  setKeepalive(seconds: number): void {
    if (this.keepaliveTimer) clearTimeout(this.keepaliveTimer);
    if (seconds === 0) return;
    this.keepaliveTimer = setTimeout(() => {
      // While the socket is paused it is we who do not listen.
      if (this.socket.isPaused()) this.keepaliveTimer?.refresh();
      else this.destroy(new Error('keep alive timeout'));
    }, seconds * 1_500);
  }

  /** Sends CONNACK with a return code and closes, in a way that lets the client read it. */
  refuse(returnCode: number): void {
    this.socket.write(Buffer.from([0x20, 2, 0, returnCode]));
    this.destroy();
  }

  /** A publish that was passed on has arrived: whoever took it in gives its bytes back with {@link settle}. */
  claim(bytes: number): void {
    // What was unclaimed at the end is given back already.
    if (this.destroyed) this.flow.add(bytes);
    else this.unclaimed -= bytes;
  }

  /** A publish that was claimed is done with, acknowledged or not. */
  settle(bytes: number): void {
    this.inFlight--;
    this.flow.remove(bytes);
    if (this.held || this.ended) this.goOn();
  }

  /** Tries again, later in this turn, to pass on what is held. */
  goOn(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    process.nextTick(this.advance);
  }

  override _read(): void {
    this.full = false;
    this.regulate();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.connackSent = true;
    this.writer.write(chunk, callback);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], callback: () => void): void {
    this.connackSent = true;
    this.writer.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback);
  }

  override _final(callback: () => void): void {
    this.socket.end(callback);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.writer.stop();
    for (const timer of [this.rateTimer, this.keepaliveTimer]) if (timer) clearTimeout(timer);
    this.flow.leave(this);
    this.flow.remove(this.unclaimed);
    this.pending = null;
    const { socket } = this;
    socket.off('data', this.onData);
    if (error || socket.destroyed) socket.destroy();
    else {
      // Unread bytes would turn the FIN into a reset, which may overtake our last packet: they are read and dropped.
      socket.end();
      socket.resume();
      const timer = setTimeout(() => socket.destroy(), LINGER_MS);
      socket.once('close', () => clearTimeout(timer));
    }
    callback(error);
  }

  private readonly onData = (chunk: Buffer): void => {
    this.keepaliveTimer?.refresh();
    this.pending = this.pending ? Buffer.concat([this.pending, chunk]) : chunk;
    this.advance();
  };

  private readonly advance = (): void => {
    this.scheduled = false;
    if (this.destroyed) return;
    this.held = false;
    if (this.pending) this.pass(this.pending);
    if (this.destroyed) return;
    if (!this.held) this.heldByRateSince = null;
    else if (this.pending && this.connackSent && !this.writableNeedDrain) {
      this.answer(this.heldPings.find(this.pending));
    }
    // What came whole before the end is finished and acknowledged first.
    if (this.ended && !this.held && this.inFlight === (this.inPublish ? 1 : 0) && !this.sentEnd) {
      this.sentEnd = true;
      this.push(null);
    }
    this.regulate();
  };

  /** Passes on the frames at the front of `data`, as far as they may go now. */
  private pass(data: Buffer): void {
    let at = 0;
    let from = 0;
    let pings = 0;
    while (at < data.length) {
      if (this.remaining > 0) {
        const step = Math.min(this.remaining, data.length - at);
        at += step;
        this.remaining -= step;
        if (this.remaining === 0) this.inPublish = false;
        continue;
      }
      const header = readHeader(data, at);
      if (header === null) break;
      const problem = header === 'invalid' ? 'a length of five bytes' : this.problemOf(header);
      if (header === 'invalid' || problem !== null) {
        this.abort('packet', problem ?? '');
        return;
      }
      if (this.mustWait(header)) {
        this.held = true;
        break;
      }
      if (this.destroyed) return;
      if (header.type === PINGREQ) {
        if (at > from) this.hand(data.subarray(from, at));
        from = at += header.size;
        if (!this.heldPings.wasAnswered()) pings++;
        continue;
      }
      if (header.type === PUBLISH) {
        this.inFlight++;
        this.inPublish = header.length > 0;
        this.unclaimed += header.length;
        this.flow.add(header.length);
      }
      at += header.size;
      this.remaining = header.length;
    }
    if (at > from) this.hand(data.subarray(from, at));
    this.pending = at < data.length ? data.subarray(at) : null;
    this.heldPings.passed(at);
    this.answer(pings);
  }

  private problemOf(header: FrameHeader): string | null {
    if (this.sawConnect) return headerProblem(header);
    if (header.type !== CONNECT || header.flags !== 0) return 'something else than CONNECT first'; // [MQTT-3.1.0-1]
    if (header.length > MAX_CONNECT_BYTES) return 'a CONNECT that is too large';
    this.sawConnect = true;
    return null;
  }

  /** True where the frame may not pass yet. Sees to it that it is tried again. */
  private mustWait({ type }: FrameHeader): boolean {
    if (type === CONNECT) return false;
    if (!this.ready || this.flow.stopped) return true;
    // Whatever it asks for would be answered, and it does not read.
    if (this.writableNeedDrain) return true;
    // aedes closes at DISCONNECT, and would drop what its client sent before.
    if (type === DISCONNECT) return this.inFlight > 0;
    if (type !== PUBLISH) return false;
    if (this.inFlight >= MAX_IN_FLIGHT) return true;
    if (this.flow.full && this.inFlight > 0) {
      this.flow.wait(this);
      return true;
    }
    return !this.withinRate();
  }

  private withinRate(): boolean {
    if (this.bucket.take()) return true;
    const now = performance.now();
    this.heldByRateSince ??= now;
    if (now - this.heldByRateSince > this.flow.patienceMs) {
      this.abort('rate', `more than ${this.flow.rate} messages a second for ${this.flow.patienceMs / 1_000} s`);
      return false;
    }
    this.rateTimer ??= setTimeout(() => {
      this.rateTimer = null;
      this.advance();
    }, RATE_STEP_MS);
    return false;
  }

  private answer(pings: number): void {
    if (pings > 0) this.write(Buffer.alloc(pings * PINGRESP.length, PINGRESP));
  }

  private hand(bytes: Buffer): void {
    if (!this.push(bytes)) this.full = true;
  }

  private regulate(): void {
    const wait = this.full || (this.held && (this.pending?.length ?? 0) >= MAX_HELD_BYTES);
    if (wait !== this.socket.isPaused() && !this.socket.destroyed) {
      if (wait) this.socket.pause();
      else this.socket.resume();
    }
  }

  private abort(why: 'packet' | 'rate', detail: string): void {
    const header = this.sawConnect || !this.pending ? null : readHeader(this.pending, 0);
    const isConnect = header !== null && header !== 'invalid' && header.type === CONNECT && header.flags === 0;
    if (isConnect && header.length > MAX_CONNECT_BYTES) {
      this.events.onRefused(
        'connect_size',
        `a CONNECT of ${header.length} bytes; at most ${MAX_CONNECT_BYTES} are taken`,
      );
      if (header.length <= MAX_ANSWERED_CONNECT) return this.refuse(2);
    } else this.events.onRefused(why, detail);
    this.destroy(new Error(detail));
  }
}
