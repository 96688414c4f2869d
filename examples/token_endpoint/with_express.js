// GET /citebox-token: app.get("/citebox-token", citeboxToken). npm install express jsonwebtoken
const jwt = require("jsonwebtoken");

const SECONDS = 600;

// Behind your sign-on, which sets request.user (Passport does): never from what the page sends.
function citeboxToken(request, response) {
  if (!request.user) return response.status(401).json({ detail: "sign in first" });
  const { name, groups } = request.user;
  const token = jwt.sign({ groups }, process.env.RAG_TOKEN_SECRET, {
    algorithm: "HS256",
    subject: name,
    audience: "citebox",
    expiresIn: SECONDS,
  });
  response.set("Cache-Control", "no-store").json({ token, expires_in: SECONDS });
}

module.exports = { citeboxToken };
