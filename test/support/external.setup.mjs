// Jest's global set-up of the project "e2e external": one PostgreSQL for the whole run, a database in it for each application
// (backends.ts). Mosquitto starts faster than a database is made, so each application has its own.
import { findServices } from './find-services.mjs';
import { createServer, USER } from './postgres-server.mjs';

/** The server of this run. */
export let server = null;

export default async function setUp() {
  server = await createServer(findServices().postgres, { max_connections: '200' });
  await server.start();
  process.env.SIGNALBOX_TEST_POSTGRES = `postgres://${USER}@127.0.0.1:${server.port}/postgres`;
}
