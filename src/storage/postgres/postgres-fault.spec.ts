import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { isConnectionLost, isFaultOfRow, isPassing } from './postgres-fault.js';

function serverError(code: string): Error {
  return Object.assign(new pg.DatabaseError('', 0, 'error'), { code });
}

describe('an error of PostgreSQL', () => {
  it.each([
    ['a refused login', '28P01'],
    ['a role that may not log in', '28000'],
    ['a database that is not there', '3D000'],
    ['a transaction that stood still for too long', '25P03'],
    ['a transaction that has failed', '25P02'],
    ['a standby', '25006'],
    ['a shutdown', '57P01'],
  ])('that tells of %s ends the connection, and may pass', (_, code) => {
    expect([isConnectionLost(serverError(code)), isPassing(serverError(code))]).toEqual([true, true]);
  });

  it.each([
    ['a right that was taken away', '42501'],
    ['a database that takes no connections', '55000'],
    ['a full disk', '53100'],
    ['a deadlock', '40P01'],
  ])('that tells of %s may pass', (_, code) => {
    expect(isPassing(serverError(code))).toBe(true);
  });

  it.each([
    ['a value', '22021', true],
    ['a constraint', '23505', true],
    ['the text of a statement', '42601', false],
  ])('that tells of %s stays', (_, code, ofRow) => {
    expect([isPassing(serverError(code)), isFaultOfRow(serverError(code))]).toEqual([false, ofRow]);
  });
});
