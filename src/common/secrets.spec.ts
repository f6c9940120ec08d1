import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { apiKeyText, hashOf, isHashOf, newKeyId, newSecret, NO_HASH, readApiKey, withoutSecrets } from './secrets.js';

describe('A secret', () => {
  it('is 43 characters of base62, another one each time, and its key can be read back', () => {
    const secrets = Array.from({ length: 200 }, newSecret);
    expect(new Set(secrets).size).toBe(200);
    for (const secret of secrets) {
      const id = newKeyId();
      expect(readApiKey(apiKeyText(id, secret))).toEqual({ id, secret });
    }
  });

  it('is that of its own hash alone', () => {
    const [mine, other] = [newSecret(), newSecret()];
    expect([isHashOf(hashOf(mine), mine), isHashOf(hashOf(mine), other), isHashOf(NO_HASH, mine)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('is in no text that others may read, whatever is around it', () => {
    const [before, after] = [fc.stringMatching(/^(.*[^A-Za-z0-9])?$/), fc.stringMatching(/^([^A-Za-z0-9].*)?$/)];
    fc.assert(
      fc.property(before, after, (head, tail) => {
        const secret = newSecret();
        const text = `${head}${secret}${tail}`;
        expect(withoutSecrets(text)).not.toContain(secret);
      }),
    );
    expect(withoutSecrets(`/v1/${apiKeyText('abcdefghijklmnop', newSecret())}?x`)).toBe(
      '/v1/sbx_abcdefghijklmnop_***?x',
    );
  });

  it('is not taken for one where it is shorter or longer, such as a hash in hex', () => {
    for (const length of [42, 44, 64]) expect(withoutSecrets('a'.repeat(length))).toHaveLength(length);
  });
});
