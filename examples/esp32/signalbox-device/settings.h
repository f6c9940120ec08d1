// What differs from device to device.
#pragma once

#include <stdint.h>

constexpr char kWifiName[] = "my-network";
constexpr char kWifiPassword[] = "my-password";

constexpr char kHost[] = "192.168.1.10";  // where Signalbox, or its broker, listens
constexpr uint16_t kPort = 1883;
constexpr char kDeviceId[] = "esp32-1";  // at most 60 characters
constexpr char kSecret[] = "";           // the credential, where the service asks devices to log in

constexpr char kTimeServer[] = "pool.ntp.org";
constexpr uint32_t kReadingEveryMs = 5000;
