#pragma once

enum wl_status_t { WL_IDLE_STATUS = 0, WL_CONNECTED = 3, WL_DISCONNECTED = 6 };
enum wifi_mode_t { WIFI_OFF = 0, WIFI_STA = 1 };

struct WiFiClass {
  bool mode(wifi_mode_t mode);
  bool setAutoReconnect(bool on);
  wl_status_t begin(const char* name, const char* password);
  wl_status_t status();
};
extern WiFiClass WiFi;
