import { describeDeviceLife } from './device-life.suite.js';
import { EXAMPLES } from './support/example-device.js';

for (const example of EXAMPLES) describeDeviceLife(example);
