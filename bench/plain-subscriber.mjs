// What MQTT.js alone can do, in a process of its own: node bench/plain-subscriber.mjs --mqtt PORT --http PORT. One connection
// that subscribes with QoS 1 and counts what comes, as anybody would write it. Answers as Signalbox does, so that both are asked
// alike: GET /readyz, and GET /health with {"readings": {"stored": <count>}}.
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { connectAsync } from 'mqtt';

const { values: options } = parseArgs({
  options: {
    mqtt: { type: 'string', default: '1883' },
    http: { type: 'string', default: '3000' },
    'topic-prefix': { type: 'string', default: 'devices' },
  },
});

let count = 0;
const client = await connectAsync(`mqtt://127.0.0.1:${options.mqtt}`);
client.on('message', () => {
  count += 1;
});
await client.subscribeAsync(`${options['topic-prefix']}/+/up/telemetry`, { qos: 1 });

const server = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ readings: { stored: count } }));
});
server.listen(Number(options.http), '127.0.0.1');

process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  client.end();
});
