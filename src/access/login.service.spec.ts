import { beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceLogin, RegistryService } from '../device/registry.service.js';
import type { KeyRing } from './key-ring.js';
import { LoginService } from './login.service.js';

const ADDRESS = '192.0.2.1';
const LOGIN: DeviceLogin = { deviceId: 'd1', credentialId: 'c1', expiresAt: null };

describe('LoginService', () => {
  let answers: ((login: DeviceLogin | null) => void)[];
  let logins: LoginService;
  beforeEach(() => {
    answers = [];
    const logIn = () => new Promise<DeviceLogin | null>((resolve) => answers.push(resolve));
    logins = new LoginService({ logIn } as unknown as RegistryService, {} as KeyRing);
  });

  it('lets no right guess through that came with five wrong ones and is judged after them', async () => {
    const guesses = Array.from({ length: 6 }, () => logins.device('d1', 'guess', ADDRESS));
    for (const [i, answer] of answers.entries()) answer(i === 5 ? LOGIN : null);
    expect(await Promise.all(guesses)).toEqual([null, null, null, null, null, null]);
  });

  it('lets a right one through that is judged before the fifth wrong one', async () => {
    const guesses = Array.from({ length: 6 }, () => logins.device('d1', 'guess', ADDRESS));
    for (const [i, answer] of answers.entries()) answer(i === 4 ? LOGIN : null);
    expect(await Promise.all(guesses)).toEqual([null, null, null, null, LOGIN, null]);
  });

  it('does not ask about a pair that is locked, and refuses it as late as any other', async () => {
    const fail = (): Promise<unknown> => {
      const refused = logins.device('d1', 'guess', ADDRESS);
      answers.at(-1)?.(null);
      return refused;
    };
    await Promise.all(Array.from({ length: 5 }, fail));
    expect(answers).toHaveLength(5);
    const start = performance.now();
    expect(await logins.device('d1', 'right', ADDRESS)).toBeNull();
    expect(performance.now() - start).toBeGreaterThanOrEqual(100);
    expect(answers).toHaveLength(5);
  });

  it('refuses at whole steps of 100 ms after the arrival, however long it took to judge', async () => {
    const start = performance.now();
    const refused = logins.device('d1', 'guess', ADDRESS);
    setTimeout(() => answers[0]!(null), 130);
    await refused;
    expect(performance.now() - start).toBeGreaterThanOrEqual(200);
  });

  it('passes on that it cannot be judged, which counts as nothing', async () => {
    const away = new Error('the database is away');
    const failing = { logIn: () => Promise.reject(away) } as unknown as RegistryService;
    const unable = new LoginService(failing, {} as KeyRing);
    for (let i = 0; i < 10; i++) await expect(unable.device('d1', 'guess', ADDRESS)).rejects.toBe(away);
  });

  it('refuses at once where too many of an address wait already', async () => {
    const all = Array.from({ length: 60 }, (_, i) => logins.refuse(`d${i}`, ADDRESS));
    const refused = await Promise.allSettled(all.slice(57));
    expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(refused[0]).toMatchObject({ reason: { code: 'TOO_MANY_LOGINS', options: { retryAfter: 10 } } });
  });
});
