// Jest's global tear-down of the project "e2e external".
import { server } from './external.setup.mjs';

export default async function tearDown() {
  await server?.remove();
}
