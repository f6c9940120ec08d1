/** How long a client that sends nothing more may wait for its last acknowledgements. */
const CLOSING_S = 10;

/** Why a connection is closed whose client was silent for too long. */
export class KeepaliveTimeout extends Error {
  constructor() {
    super('keep alive timeout');
  }
}

/** Counts the silence of a client [MQTT-3.1.2-24]. */
export class Keepalive {
  private timer: NodeJS.Timeout | null = null;

  constructor(
    /** True while it is we who do not listen. */
    private readonly isDeaf: () => boolean,
    private readonly onSilent: () => void,
  ) {}

  /** Allows one and a half times `seconds` of silence from now on; 0 = any. */
  set(seconds: number): void {
    this.stop();
    if (seconds === 0) return;
    this.timer = setTimeout(() => {
      if (this.isDeaf()) this.timer?.refresh();
      else this.onSilent();
    }, seconds * 1_500);
  }

  /** The client closed its side: 15 s from now on, whatever its keepalive is. */
  close(): void {
    this.set(CLOSING_S);
  }

  heard(): void {
    this.timer?.refresh();
  }

  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }
}
