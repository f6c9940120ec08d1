import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type LoggedMessage, MessageRepository } from '../../src/message/message.repository.js';
import { createSqlite } from '../storage/sqlite.js';
import type { TestDatabase } from '../storage/test-database.js';

Logger.overrideLogger(false);

describe('The message log', () => {
  let created: TestDatabase;
  beforeEach(async () => {
    created = await createSqlite();
  });
  afterEach(() => created.remove());

  const message = (topic: string, fields: Partial<LoggedMessage> = {}): LoggedMessage => ({
    topic,
    payload: Buffer.from('x'),
    qos: 1,
    retain: false,
    receivedAt: 1,
    ...fields,
  });

  it('keeps the neighbours of a message that the database refuses, in their order', async () => {
    const messages = new MessageRepository(created.database);
    const refused = message('b', { receivedAt: null as unknown as number });
    await messages.add([message('a'), refused, message('c'), message('d')]);
    await messages.add([message('e')]);
    const rows = await created.database.scan.selectFrom('messages').select('topic').orderBy('seq').execute();
    expect(rows.map(({ topic }) => topic)).toEqual(['a', 'c', 'd', 'e']);
  });

  it('rejects where the database is away, so that nothing is acknowledged', async () => {
    const messages = new MessageRepository(created.database);
    await created.reopen().then((reopened) => reopened.remove());
    await expect(messages.add([message('a')])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });
});
