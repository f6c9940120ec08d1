import { apiKeyText, newKeyId, newSecret } from '../../src/common/secrets.js';
import { basic, type Login, type TagWorld } from './tags-world.js';

/** Who asks, by name: the value of the header Authorization, undefined without one. */
export type Callers = ReadonlyMap<string, string | undefined>;

const token = ({ authorization }: Login) => authorization.slice('Bearer '.length);

/** All without a valid login for users. */
export async function strangersTo(world: TagWorld, admin: Login, device: Login): Promise<Callers> {
  const victim = await world.key(['admin']);
  const otherEnd = (character: string | undefined) => (character === 'a' ? 'b' : 'a');
  const first = otherEnd(victim.secret[0]) + victim.secret.slice(1);
  const last = victim.secret.slice(0, -1) + otherEnd(victim.secret.at(-1));
  const revoked = await world.key(['admin']);
  await world.revoke(revoked);
  const expired = await world.key(['admin'], { expiresAt: Date.now() - 1 });
  return new Map(
    Object.entries({
      'no login': undefined,
      'no token': 'Bearer',
      'a token of another form': 'Bearer nonsense',
      'a token of 10 KB': `Bearer ${'a'.repeat(10_240)}`,
      'a token with a blank in it': `Bearer ${token(admin)} x`,
      'a key without its scheme': token(admin),
      'a key with another scheme': `Token ${token(admin)}`,
      'a secret that is wrong at its first character': `Bearer ${apiKeyText(victim.id, first)}`,
      'a secret that is wrong at its last character': `Bearer ${apiKeyText(victim.id, last)}`,
      'an id that no key has': `Bearer ${apiKeyText(newKeyId(), newSecret())}`,
      'a key that has expired': expired.authorization,
      'a key that was revoked': revoked.authorization,
      'the credential of a device': device.authorization,
      'a key as name and password': basic(admin.id, token(admin)),
    }),
  );
}

/** All without a valid login for devices. `device`: the credential of another one than `otherId`, whose login is locked by this. */
export function othersThan(otherId: string, admin: Login, device: Login): Callers {
  return new Map(
    Object.entries({
      'no login': undefined,
      'an admin key': admin.authorization,
      'a key as name and password': basic(admin.id, token(admin)),
      'an admin key as the password of a device': basic(otherId, token(admin)),
      'a wrong credential': basic(otherId, newSecret()),
      'the credential of another device': basic(otherId, device.secret),
      'no credential': basic(otherId, ''),
      'a device that there is not': basic('nobody', device.secret),
      'no device id': basic('no/device', device.secret),
    }),
  );
}
