import { Injectable } from '@nestjs/common';
import { Database, type Statement } from '../storage/database.js';

/** The unit that a device told of one of its metrics. */
export interface DeviceUnit {
  readonly deviceId: string;
  readonly metric: string;
  readonly unit: string;
}

const MAX_REMEMBERED = 10_000;

/** The units of metrics. Devices repeat them in every message, so those known to be stored are remembered and not written again. */
@Injectable()
export class UnitRepository {
  private readonly stored = new Map<string, string>();

  constructor(private readonly database: Database) {}

  /** Those of `units` that may not be stored yet, the last of each metric. */
  news(units: readonly DeviceUnit[]): DeviceUnit[] {
    const news = new Map(units.map((unit) => [keyOf(unit), unit]));
    return [...news].filter(([key, { unit }]) => this.stored.get(key) !== unit).map(([, unit]) => unit);
  }

  /** The statements that store the units, one each. */
  upserts(units: readonly DeviceUnit[]): Statement[] {
    return units.map(({ deviceId, metric, unit }) =>
      this.database.sql
        .insertInto('units')
        .values({ device_id: deviceId, metric, unit })
        .onConflict((conflict) => conflict.columns(['device_id', 'metric']).doUpdateSet({ unit }))
        .compile(),
    );
  }

  /** To be called once the statements for `units` are committed. */
  remember(units: readonly DeviceUnit[]): void {
    if (this.stored.size + units.length > MAX_REMEMBERED) this.stored.clear();
    for (const unit of units) this.stored.set(keyOf(unit), unit.unit);
  }
}

// A device id holds no blank, so that no two pairs share a key.
function keyOf({ deviceId, metric }: DeviceUnit): string {
  return `${deviceId} ${metric}`;
}
