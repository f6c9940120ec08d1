import pg from 'pg';
import { DomainError } from '../../common/errors.js';
import { StatementError, unavailable } from '../storage.errors.js';

/** Connection exceptions, a refused login, no such database, a transaction that is over or may not write, server going down or starting. */
const LOST = /^(08...|28...|3D...|25...|57P0.)$/;
/** Serialization, deadlock, locks and objects that are not ready, timeouts, rights, no resources, system and internal errors. */
const PASSING = /^(40...|55...|57014|42501|53...|58...|XX...)$/;
/** Values that cannot be stored: data exceptions, constraints, program limits. */
const OF_ROW = /^(22|23|54)...$/;

/** The SQLSTATE that the server gave; empty where the error did not come from it. */
export function sqlState(error: unknown): string {
  return error instanceof pg.DatabaseError ? (error.code ?? '') : '';
}

/** True where the connection is not to be used any more: it was lost, or what it is in cannot be known. */
export function isConnectionLost(error: unknown): boolean {
  const code = sqlState(error);
  return code === '' ? !(error instanceof StatementError) : LOST.test(code);
}

/** True where the same may succeed a moment later; nothing is known to be wrong with what was sent. */
export function isPassing(error: unknown): boolean {
  if (error instanceof StatementError || error instanceof DomainError) return false;
  return isConnectionLost(error) || PASSING.test(sqlState(error));
}

/** True where one of the values that were sent is the cause. */
export function isFaultOfRow(error: unknown): boolean {
  return OF_ROW.test(sqlState(error));
}

/** The name of the constraint that was violated; empty where it was none. */
export function constraintOf(error: unknown): string {
  return error instanceof pg.DatabaseError ? (error.constraint ?? '') : '';
}

/** The driver's error as callers of the storage see it: STORAGE_UNAVAILABLE, or the statement's own fault. */
export function toStorageError(error: unknown): Error {
  if (error instanceof StatementError || error instanceof DomainError) return error;
  if (isPassing(error)) return unavailable(`the database does not answer as it should: ${messageOf(error)}`, error);
  return new StatementError(sqlState(error), messageOf(error));
}

/** The message of an error; the errors of a connection that was tried at several addresses have none but a code. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ((error as NodeJS.ErrnoException).code ?? error.name);
}
