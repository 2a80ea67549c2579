// A sample application.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"example.com/upstream/gatewayidentity"
)

func main() {
	log.SetFlags(0)
	options := gatewayidentity.Options{
		Issuer: os.Getenv("GATEWAY_ISSUER"), Audience: os.Getenv("GATEWAY_AUDIENCE"), JwksURL: os.Getenv("GATEWAY_JWKS_URL"),
	}
	// Only for tests: the time stands in a file.
	if file := os.Getenv("CLOCK_FILE"); file != "" {
		options.Now = func() time.Time { return timeIn(file) }
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %d\n", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, gatewayidentity.New(options).Require(http.HandlerFunc(answer))))
}

func answer(w http.ResponseWriter, r *http.Request) {
	identity, _ := gatewayidentity.From(r.Context())
	plain := []string{}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Identity-") && name != "X-Identity-Assertion" {
			plain = append(plain, name)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"subject": identity.Subject, "tenant": identity.Tenant, "tenantName": identity.TenantName, "user": identity.User,
		"name": identity.Name, "role": identity.Role, "department": identity.Department, "instance": identity.Instance,
		"access": identity.Access, "expiresAt": identity.ExpiresAt, "plain": plain,
	})
}

func timeIn(file string) time.Time {
	text, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	if err != nil {
		log.Fatal(err)
	}
	return time.Unix(int64(seconds), 0)
}
