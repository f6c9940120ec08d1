import { findServices } from './test/support/find-services.mjs';

const common = {
  rootDir: '.',
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
  setupFiles: ['reflect-metadata'],
};

/** What does not run a second time with an external broker and PostgreSQL, each with its reason. All else does, new specs too. */
const NOT_EXTERNAL = {
  'test/(ci|docs|lint|support)/': 'about the repository, not about the running service',
  'test/inputs/rows\\.': 'which test shows what: about the tests, not about the running service',
  'test/mqtt/': 'the suites of the links, which bring their own brokers',
  'test/storage/': 'the suites of the databases, which bring their own servers',
  'test/device/repository\\.': 'replicas at one PostgreSQL, which brings its own server',
  'test/external-access/': 'brokers of the test, with accounts of their own',
  'test/replica/': 'several replicas, which bring the broker and the server that they share',
  'test/cli/': 'the simulator, beside brokers of the test and beside one that dies with Signalbox',
  'test/examples/(device|esp32)': 'the example devices beside brokers of the test, and in a compiler',
  'test/(process|control)/kill':
    'the broker dies with Signalbox; test/replica kills replicas beside a broker that stays',
  'test/process/(start|log)': 'the messages of each mode at the start, and the log',
  'test/(http|device|control)/database-away\\.': 'a lock on the SQLite file',
  'test/inputs/http\\.(bodies|fields|heads|limits|keys)\\.': 'what is refused before any broker or database is asked',
  'test/access/(http|matrix-rest)\\.':
    'who may use a route, which no broker and no database decides; test/access/tags and keys ask the databases',
  'test/openapi/': 'the description of the API, which is the same everywhere',
  'test/sensor/storage-trouble\\.': 'triggers of SQLite, and back-pressure on the devices themselves',
};

/** What one kind of broker promises and the other does not: run with that kind only. */
const EMBEDDED_ONLY = '\\.embedded\\.e2e-spec';
const EXTERNAL_ONLY = '\\.external\\.e2e-spec';

const { mosquitto, postgres } = findServices();

export default {
  // Most suites wait more than they work: two of them leave half of two cores idle.
  maxWorkers: 3,
  // Under ESM what a suite has loaded is never freed; beyond this its worker begins anew, before collecting garbage takes seconds.
  workerIdleMemoryLimit: '700MB',
  // Above the deadlines of `eventually`, so that a test says what it was waiting for.
  testTimeout: 40_000,
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/src/**/*.spec.ts'] },
    {
      ...common,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/**/*.e2e-spec.ts'],
      testPathIgnorePatterns: [EXTERNAL_ONLY],
    },
    // Where one of the two is missing, the last lines of the run say so loudly (summary-reporter.mjs).
    ...(mosquitto && postgres
      ? [
          {
            ...common,
            displayName: 'e2e external',
            testMatch: ['<rootDir>/test/**/*.e2e-spec.ts'],
            testPathIgnorePatterns: [EMBEDDED_ONLY, ...Object.keys(NOT_EXTERNAL).map((path) => `<rootDir>/${path}`)],
            globals: { signalboxBackends: 'external' },
            globalSetup: '<rootDir>/test/support/external.setup.mjs',
            globalTeardown: '<rootDir>/test/support/external.teardown.mjs',
          },
        ]
      : []),
  ],
};
