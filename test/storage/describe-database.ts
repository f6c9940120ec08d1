import { afterAll, afterEach, beforeAll, beforeEach, describe } from '@jest/globals';
import { itAppends } from './append-contract.js';
import { itTellsKindsOfEventsApart } from './event-contract.js';
import { itKeepsRejects } from './reject-contract.js';
import { itRunsJobsAndQueries } from './job-contract.js';
import { itRetains } from './retention-contract.js';
import type { TestDatabase } from './test-database.js';

/** The contract suite that every implementation of Database passes. `create` opens a new, empty database. */
export function describeDatabase(name: string, create: () => Promise<TestDatabase>): void {
  describe(name, () => {
    let current: TestDatabase;
    const open = (): TestDatabase => ({
      ...current,
      reopen: async () => (current = await current.reopen()),
    });
    const setUp = async (): Promise<void> => {
      current = await create();
    };
    const tearDown = (): Promise<void> => current.remove();

    describe('appends', () => {
      beforeAll(setUp);
      afterAll(tearDown);
      itAppends(open);
      itKeepsRejects(open);
      itTellsKindsOfEventsApart(open);
    });

    describe('jobs and queries', () => {
      beforeAll(setUp);
      afterAll(tearDown);
      itRunsJobsAndQueries(open);
    });

    // Retention looks at all there is, so each of its tests has a database of its own.
    describe('retention', () => {
      beforeEach(setUp);
      afterEach(tearDown);
      itRetains(open);
    });
  });
}
