import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Reflector } from '@nestjs/core';
import { AccessMode } from '../config/access.mode.js';
import { AccessGuard } from './access.guard.js';

class Forgotten {
  get(): string {
    return 'something';
  }
}

const guard = (required: boolean) =>
  new AccessGuard(new Reflector(), new AccessMode(required, 'closed'), null as never, null as never, null as never);
const context = (type: string) =>
  ({
    getType: () => type,
    // oxlint-disable-next-line typescript/unbound-method -- Nest passes it like this; only its metadata is read
    getHandler: () => Forgotten.prototype.get,
    getClass: () => Forgotten,
  }) as never;

describe('A route that says nothing of who may use it', () => {
  it.each([true, false])('is refused to everybody (access required: %s)', async (required) => {
    await expect(guard(required).canActivate(context('http'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('is no matter of MQTT handlers, whose messages the broker has judged', async () => {
    await expect(guard(true).canActivate(context('rpc'))).resolves.toBe(true);
  });
});
