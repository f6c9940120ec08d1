/** What decides over the latest values of a device: `content` is the values as sent, `metrics` their flattened form where it differs. Both JSON text. */
export interface ValuesRow {
  readonly deviceId: string;
  readonly ts: number;
  readonly receivedAt: number;
  readonly content: string;
  readonly metrics: string | null;
}

/** `value` is JSON text. */
export interface NewestValue {
  readonly deviceId: string;
  readonly metric: string;
  readonly ts: number;
  readonly receivedAt: number;
  readonly value: string;
}

interface Entry {
  ts: number;
  receivedAt: number;
  value: unknown;
}

/** The newest value of each metric among the rows of one commit, so that a busy device costs one upsert, not one a row. */
export class NewestValues {
  private readonly devices = new Map<string, Map<string, Entry>>();

  /** Takes the metrics of a row; of two with the same `ts` the first stays. Throws where they are no JSON object. */
  offer({ deviceId, ts, receivedAt, content, metrics }: ValuesRow): void {
    const values = parseObject(metrics ?? content);
    let known = this.devices.get(deviceId);
    if (!known) this.devices.set(deviceId, (known = new Map()));
    for (const metric of Object.keys(values)) {
      const value = values[metric];
      if (value === null) continue;
      const entry = known.get(metric);
      if (!entry) known.set(metric, { ts, receivedAt, value });
      else if (ts > entry.ts) {
        entry.ts = ts;
        entry.receivedAt = receivedAt;
        entry.value = value;
      }
    }
  }

  *[Symbol.iterator](): Generator<NewestValue> {
    for (const [deviceId, metrics] of this.devices) {
      for (const [metric, { ts, receivedAt, value }] of metrics) {
        yield { deviceId, metric, ts, receivedAt, value: JSON.stringify(value) };
      }
    }
  }

  /** Forgets what was taken. */
  clear(): void {
    this.devices.clear();
  }
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // SyntaxError would quote the text, and this message is shown to others.
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new TypeError('the values are no JSON object');
  }
  return value as Record<string, unknown>;
}
