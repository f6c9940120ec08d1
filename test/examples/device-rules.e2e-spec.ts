import { describeDeviceRules } from './device-rules.suite.js';
import { EXAMPLES } from './support/example-device.js';

for (const example of EXAMPLES) describeDeviceRules(example);
