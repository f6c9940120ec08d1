import { BrokerAccountsService } from '../../src/access/broker-accounts.service.js';
import { hashOf, newKeyId, newSecret } from '../../src/common/secrets.js';
import type { Statement } from '../../src/storage/database.js';
import type { TestApp } from '../support/app.js';

export class Registry {
  constructor(private readonly box: TestApp) {}
  private get service() { return this.box.app.get(BrokerAccountsService); }
  private get sql() { return this.box.database.sql; }
  private async write(id: string, ...job: Statement[]): Promise<void> {
    await this.box.database.write(job);
    this.service.changed(id);
  }
  async create(id: string): Promise<string> {
    const secret = newSecret();
    await this.service.credentialIssued(id, secret);
    await this.write(id, this.sql.insertInto('devices').values({ id, link: 'native', created_at: 1 }).compile(), this.credential(id, secret));
    return secret;
  }
  async rotate(id: string): Promise<string> {
    const secret = newSecret();
    await this.service.credentialIssued(id, secret);
    await this.write(id, this.credential(id, secret));
    return secret;
  }
  async patch(id: string, row: { enabled?: number; approved?: number }): Promise<void> {
    await this.write(id, this.sql.updateTable('devices').set(row).where('id', '=', id).compile());
  }
  async remove(id: string): Promise<void> {
    await this.write(id, this.sql.deleteFrom('devices').where('id', '=', id).compile(), this.sql.deleteFrom('credentials').where('device_id', '=', id).compile());
  }
  async revokeAll(id: string): Promise<void> {
    await this.write(id, this.sql.deleteFrom('credentials').where('device_id', '=', id).compile());
  }
  private credential(id: string, secret: string): Statement {
    return this.sql.insertInto('credentials').values({ id: newKeyId(), device_id: id, hash: hashOf(secret), created_at: Date.now(), expires_at: null }).compile();
  }
}
