// Preloaded (`node --require`) into a process that is to believe that mosquitto is not installed; /usr/sbin is searched
// whatever PATH says, so it is hidden from the file system calls.
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const { accessSync } = fs;
fs.accessSync = (path, ...rest) => {
  if (String(path).endsWith('/mosquitto')) throw new Error('hidden');
  return accessSync(path, ...rest);
};
syncBuiltinESMExports();
