"""An application of the shape that FastAPI's chapter on security ends with, before it moves to coatcheck."""

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from pydantic import BaseModel

app = FastAPI()
bearer = OAuth2PasswordBearer(tokenUrl="token")


class Account(BaseModel):
    """What others may know of a user."""

    username: str
    email: str
    disabled: bool = False


class StoredAccount(Account):
    """What the database knows."""

    hashed_password: str


ACCOUNTS = {
    "ada": StoredAccount(username="ada", email="ada@shop.example", hashed_password="hashed:one"),
    "bob": StoredAccount(username="bob", email="bob@shop.example", hashed_password="hashed:two", disabled=True),
}


def hashed(password: str) -> str:
    """Stand for a slow hash."""
    return "hashed:" + password


async def current_account(token: Annotated[str, Depends(bearer)]) -> StoredAccount:
    """Say whose request this is."""
    account = ACCOUNTS.get(token)  # the chapter's stand-in: the token is the name
    if account is None:
        raise HTTPException(401, "Not signed in", {"WWW-Authenticate": "Bearer"})
    return account


async def active_account(account: Annotated[StoredAccount, Depends(current_account)]) -> StoredAccount:
    """Say whose request this is, and let nobody in who may not."""
    if account.disabled:
        raise HTTPException(400, "Inactive user")
    return account


@app.post("/token")
async def sign_in(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    """Check the form and sign in."""
    account = ACCOUNTS.get(form.username)
    if account is None or account.hashed_password != hashed(form.password):
        raise HTTPException(400, "Incorrect username or password")
    return {"access_token": account.username, "token_type": "bearer"}


@app.get("/users/me")
async def me(account: Annotated[Account, Depends(active_account)]) -> Account:
    """Show the user."""
    return Account(**account.model_dump())
