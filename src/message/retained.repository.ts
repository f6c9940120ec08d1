import { Injectable } from '@nestjs/common';
import { pagesBySize } from '../common/page-by-size.js';
import { type RetainedMessage, RetainedStore } from '../mqtt/retained.store.js';
import { Database } from '../storage/database.js';

/** Keeps the embedded broker's retained messages in the database. */
@Injectable()
export class RetainedRepository extends RetainedStore {
  constructor(private readonly database: Database) {
    super();
  }

  override async load(): Promise<RetainedMessage[]> {
    const places = await this.database.scan
      .selectFrom('retained')
      .select(['topic as key', (eb) => eb.fn<number>('length', ['payload']).as('size')])
      .execute();
    const messages: RetainedMessage[] = [];
    for (const topics of pagesBySize(places)) {
      const rows = await this.database.scan.selectFrom('retained').selectAll().where('topic', 'in', topics).execute();
      messages.push(
        ...rows.map(({ topic, payload, qos }) => ({ topic, payload: Buffer.from(payload), qos: qos as 0 | 1 | 2 })),
      );
    }
    return messages;
  }

  override async put({ topic, payload, qos }: RetainedMessage): Promise<void> {
    const row = { payload, qos };
    await this.database.write([
      this.database.sql
        .insertInto('retained')
        .values({ topic, ...row })
        .onConflict((conflict) => conflict.column('topic').doUpdateSet(row))
        .compile(),
    ]);
  }

  override async remove(topic: string): Promise<void> {
    await this.database.write([this.database.sql.deleteFrom('retained').where('topic', '=', topic).compile()]);
  }
}
