// As much of the ESP32 core for Arduino (3.x) as the example uses, to check its syntax and types on any machine.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include <algorithm>

using std::min;

unsigned long millis();
uint32_t esp_random();
void configTime(long gmtOffsetSeconds, int daylightOffsetSeconds, const char* server);

struct HardwareSerial {
  void begin(unsigned long baud);
  size_t println(const char* text);
  size_t printf(const char* format, ...) __attribute__((format(printf, 2, 3)));
};
extern HardwareSerial Serial;

// These belong to every sketch.
void setup();
void loop();
