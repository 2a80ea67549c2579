// Package gatewayidentity verifies the identity assertion of the gateway. Copy this folder into your module; it needs the standard
// library alone (Go 1.19 or newer).
//
//	verifier := gatewayidentity.New(gatewayidentity.Options{Issuer: issuer, Audience: audience})
//	http.ListenAndServe(address, verifier.Require(mux))
//	identity, ok := gatewayidentity.From(request.Context())   // in a handler
package gatewayidentity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	leewaySeconds      = 30  // how far the two machines' clocks may be apart
	maxLifetimeSeconds = 300 // the gateway never gives longer
	maxTokenLength     = 8192

	maxKeySetLength = 65536
	fetchTimeout    = 5 * time.Second
	// A key that we don't know makes us look again, but not at any caller's pace.
	secondsBetweenFetches = 60
	secondsAfterFailure   = 5
	// So long old keys serve while new ones can't be had.
	maxStaleSeconds = 3600

	assertionHeader = "X-Identity-Assertion"
)

var (
	threeParts    = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$`)
	notInAName    = regexp.MustCompile(`[^a-z0-9]`)
	maxAgePattern = regexp.MustCompile(`(?i)(?:^|[\s,])max-age=([0-9]{1,6})(?:$|[\s,])`)
	// They would bring a key, or rules, of their own (RFC 7515 §4.1, RFC 7797). The key comes from the gateway's address alone.
	refusedHeaderMembers = []string{"crit", "b64", "jwk", "jku", "x5u", "x5c"}
	neverEmpty           = []string{"sub", "jti", "tenant", "user", "access"}
	plainHeaders         = map[string]bool{
		"x-identity-tenant": true, "x-identity-user": true, "x-identity-name": true, "x-identity-role": true,
		"x-identity-department": true, "x-identity-instance": true, "x-identity-access": true,
	}
)

// Identity is who the request acts as. Subject is stable and unique over all tenants; store that.
type Identity struct {
	Subject, Tenant, TenantName, User, Name, Role, Department, Instance, Access string
	ExpiresAt                                                                   int64
}

// Refused is for the log; whoever asks learns nothing but 401.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return "identity refused: " + r.Reason }

// ErrKeysUnavailable is nobody's fault in the request: the gateway's keys can't be had. Answer 503.
var ErrKeysUnavailable = errors.New("the gateway's keys can't be had")

func refused(reason string) error { return &Refused{reason} }

// Options of New. Issuer is the gateway's public origin, Audience your appId.
type Options struct {
	Issuer, Audience string
	JwksURL          string              // default: Issuer + "/_gate/jwks.json"
	Now              func() time.Time    // for tests
	OnRefused        func(reason string) // default: the log
}

// Verifier keeps the keys: make one for the whole process.
type Verifier struct {
	options Options
	client  http.Client

	mutex      sync.RWMutex // guards keys and freshUntil
	keys       map[string]*ecdsa.PublicKey
	freshUntil int64
	fetching   sync.Mutex // held during a fetch; guards mayFetchAt
	mayFetchAt int64
}

// New panics without issuer and audience: without them a token for anybody would do.
func New(options Options) *Verifier {
	if options.Issuer == "" || options.Audience == "" {
		panic("gatewayidentity: Issuer and Audience are needed")
	}
	if options.JwksURL == "" {
		options.JwksURL = options.Issuer + "/_gate/jwks.json"
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.OnRefused == nil {
		options.OnRefused = func(reason string) { log.Printf("identity refused: %s", reason) }
	}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Verifier{options: options, client: http.Client{Timeout: fetchTimeout, CheckRedirect: noRedirect}}
}

// Verify gives the identity in the values of the header x-identity-assertion (as many as came).
func (v *Verifier) Verify(values []string) (*Identity, error) {
	if len(values) == 0 {
		return nil, refused("missing")
	}
	if len(values) > 1 || len(values[0]) > maxTokenLength || !threeParts.MatchString(values[0]) {
		return nil, refused("malformed")
	}
	parts := strings.Split(values[0], ".")
	kid, err := judgeHeader(parts[0])
	if err != nil {
		return nil, err
	}
	key, err := v.keyFor(kid)
	if err != nil {
		return nil, err
	}
	// 64 bytes, spelled in the one way that leaves the unused bits zero.
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return nil, refused("signature")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(key, digest[:], r, s) {
		return nil, refused("signature")
	}
	claims, err := parseObject(parts[1])
	if err != nil {
		return nil, err
	}
	return v.judgeClaims(claims)
}

// A map and not a struct: encoding/json fills a struct's `aud` from a member "AUD" too.
type object map[string]json.RawMessage

func parseObject(part string) (object, error) {
	text, err := base64.RawURLEncoding.DecodeString(part)
	var members object
	if err != nil || !utf8.Valid(text) || json.Unmarshal(text, &members) != nil || members == nil {
		return nil, refused("malformed")
	}
	return members, nil
}

func (o object) text(name string) (string, bool) {
	var value *string
	if raw, is := o[name]; !is || json.Unmarshal(raw, &value) != nil || value == nil {
		return "", false
	}
	return *value, true
}

func (o object) integer(name string) (int64, bool) {
	value, err := strconv.ParseInt(string(o[name]), 10, 54)
	return value, err == nil
}

func judgeHeader(part string) (kid string, err error) {
	header, err := parseObject(part)
	if err != nil {
		return "", err
	}
	for _, name := range refusedHeaderMembers {
		if _, is := header[name]; is {
			return "", refused("header")
		}
	}
	if alg, _ := header.text("alg"); alg != "ES256" {
		return "", refused("alg")
	}
	if typ, _ := header.text("typ"); typ != "gateway-identity+jwt" {
		return "", refused("typ")
	}
	kid, is := header.text("kid")
	if !is {
		return "", refused("kid")
	}
	return kid, nil
}

func (v *Verifier) judgeClaims(claims object) (*Identity, error) {
	if iss, _ := claims.text("iss"); iss != v.options.Issuer {
		return nil, refused("iss")
	}
	// Only as the gateway writes it: for us alone, no list.
	if aud, _ := claims.text("aud"); aud != v.options.Audience {
		return nil, refused("aud")
	}
	now := v.now()
	iat, hasIat := claims.integer("iat")
	exp, hasExp := claims.integer("exp")
	nbf, isNbf := claims.integer("nbf")
	if _, is := claims["nbf"]; !is {
		nbf, isNbf = iat, true
	}
	if !hasIat || !hasExp || !isNbf || exp+leewaySeconds <= now || iat > now+leewaySeconds || nbf > now+leewaySeconds || exp-iat > maxLifetimeSeconds {
		return nil, refused("time")
	}
	for _, name := range neverEmpty {
		if text, _ := claims.text(name); text == "" {
			return nil, refused("claims")
		}
	}
	areTexts := true
	text := func(name string) string {
		value, is := claims.text(name)
		areTexts = areTexts && is
		return value
	}
	identity := &Identity{
		Subject: text("sub"), Tenant: text("tenant"), TenantName: text("tenant_name"), User: text("user"), Name: text("name"),
		Role: text("role"), Department: text("department"), Instance: text("instance"), Access: text("access"), ExpiresAt: exp,
	}
	if !areTexts {
		return nil, refused("claims")
	}
	return identity, nil
}

func (v *Verifier) now() int64 { return v.options.Now().Unix() }

func (v *Verifier) known(kid string) (key *ecdsa.PublicKey, freshUntil int64) {
	v.mutex.RLock()
	defer v.mutex.RUnlock()
	return v.keys[kid], v.freshUntil
}

func (v *Verifier) keyFor(kid string) (*ecdsa.PublicKey, error) {
	key, freshUntil := v.known(kid)
	if key == nil || v.now() >= freshUntil {
		v.refresh()
		key, freshUntil = v.known(kid)
	}
	if v.now() >= freshUntil+maxStaleSeconds {
		return nil, ErrKeysUnavailable
	}
	if key == nil {
		return nil, refused("kid")
	}
	return key, nil
}

func (v *Verifier) refresh() {
	v.fetching.Lock()
	defer v.fetching.Unlock()
	if v.now() < v.mayFetchAt {
		return
	}
	keys, maxAgeSeconds, err := v.fetchKeys()
	if err != nil {
		v.mayFetchAt = v.now() + secondsAfterFailure
		log.Printf("the gateway's keys can't be had: %v", err)
		return
	}
	v.mayFetchAt = v.now() + secondsBetweenFetches
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.keys, v.freshUntil = keys, v.now()+maxAgeSeconds
}

type jwk struct{ Kty, Crv, Kid, Use, Alg, X, Y string }

func (v *Verifier) fetchKeys() (map[string]*ecdsa.PublicKey, int64, error) {
	answer, err := v.client.Get(v.options.JwksURL)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySetLength+1))
	if err != nil || answer.StatusCode != http.StatusOK || len(text) > maxKeySetLength {
		return nil, 0, fmt.Errorf("%d, %d bytes, %v", answer.StatusCode, len(text), err)
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, 0, err
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, raw := range set.Keys {
		var found jwk
		// One bad key must not cost the others.
		if json.Unmarshal(raw, &found) != nil {
			continue
		}
		if key := found.publicKey(); key != nil {
			keys[found.Kid] = key
		}
	}
	if len(keys) == 0 {
		return nil, 0, errors.New("no ES256 key in the answer")
	}
	maxAge := int64(300)
	if match := maxAgePattern.FindStringSubmatch(answer.Header.Get("Cache-Control")); match != nil {
		maxAge, _ = strconv.ParseInt(match[1], 10, 64)
	}
	if maxAge < 60 {
		maxAge = 60
	} else if maxAge > 3600 {
		maxAge = 3600
	}
	return keys, maxAge, nil
}

func (k jwk) publicKey() *ecdsa.PublicKey {
	if k.Kty != "EC" || k.Crv != "P-256" || k.Kid == "" || (k.Use != "" && k.Use != "sig") || (k.Alg != "" && k.Alg != "ES256") {
		return nil
	}
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
	if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 || !key.Curve.IsOnCurve(key.X, key.Y) {
		return nil
	}
	return key
}

type contextKey struct{}

// From gives the identity of a request that has passed Require.
func From(ctx context.Context) (*Identity, bool) {
	identity, is := ctx.Value(contextKey{}).(*Identity)
	return identity, is
}

// Require lets nobody pass without an identity: 401, and 503 while there are no keys.
func (v *Verifier) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		identity, err := v.Verify(r.Header.Values(assertionHeader))
		if err != nil {
			status := http.StatusServiceUnavailable
			var no *Refused
			if errors.As(err, &no) {
				status = http.StatusUnauthorized
				v.options.OnRefused(no.Reason)
			}
			w.Header().Set("WWW-Authenticate", "GatewayIdentity")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
			return
		}
		// What the assertion tells too, and anybody may have written: after this nobody reads them by mistake.
		for name := range r.Header {
			if plainHeaders[notInAName.ReplaceAllString(strings.ToLower(name), "-")] {
				delete(r.Header, name)
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, identity)))
	})
}
