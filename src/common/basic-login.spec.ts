import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readBasicLogin } from './basic-login.js';
import { DEVICE_ID } from './ids.js';

const header = (login: string | Uint8Array) => `Basic ${Buffer.from(login).toString('base64')}`;

describe('readBasicLogin', () => {
  it('reads every device id with every secret that holds no colon', () => {
    const secret = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes(':') && text.isWellFormed());
    fc.assert(
      fc.property(fc.stringMatching(DEVICE_ID), secret, (user, password) => {
        expect(readBasicLogin(header(`${user}:${password}`))).toEqual({ user, secret: password });
      }),
    );
  });

  it('reads the scheme in any case [RFC 9110, 11.1], with blanks around the token', () => {
    expect(readBasicLogin('bASIC   cHVtcDo= ')).toEqual({ user: 'pump', secret: '' });
  });

  it.each([
    undefined,
    '',
    'Basic',
    'Basic ',
    'Bearer cHVtcDo=',
    'Basic cHVtcDo= x',
    'Basic cHVtcA==',
    'Basic ===',
    'Basic "cHVtcDo="',
    header(Uint8Array.of(0x61, 0xff, 0x3a)),
  ])('takes %j for no login', (authorization) => {
    expect(readBasicLogin(authorization)).toBeNull();
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void readBasicLogin(`Basic ${text}`)));
  });
});
