using System.Security.Cryptography;
using System.Text;
using HotModel.Configuration;

namespace HotModel.Access;

/// <summary>Whose request it is.</summary>
internal sealed record ApiKey(string Name, IReadOnlyList<KeyScope> Scopes, KeyClass Class)
{
    public bool May(KeyScope scope) => Scopes.Contains(scope) || Scopes.Contains(KeyScope.Admin);
}

/// <summary>The keys of the configuration, as hashes only.</summary>
internal sealed class ApiKeys
{
    private const string Prefix = "hm-";

    private readonly List<(byte[] Hash, ApiKey Key)> all = [];

    /// <param name="config">The keys, by name.</param>
    /// <param name="environment">Has those that stand in variables.</param>
    /// <exception cref="InvalidDataException">A variable is not set.</exception>
    public ApiKeys(IReadOnlyDictionary<string, ApiKeyConfig> config, IReadOnlyDictionary<string, string> environment)
    {
        foreach (var (name, key) in config)
        {
            byte[] hash;
            if (key.Sha256 is { } known)
                hash = Convert.FromHexString(known);
            else if (environment.TryGetValue(key.Env!, out var value) && value.Length > 0)
                hash = Sha256.Hash(Encoding.UTF8.GetBytes(value));
            else
                throw new InvalidDataException($"[keys.{TomlText.Key(name)}]: the environment variable {key.Env} is not set.");
            all.Add((hash, new ApiKey(name, key.Scopes, key.Class)));
        }
    }

    /// <summary>Nobody needs one.</summary>
    public bool AreOff => all.Count == 0;

    /// <summary>Null: there is no such key. Takes as long for any key that is wrong.</summary>
    public ApiKey? Find(string key)
    {
        var hash = Sha256.Hash(Encoding.UTF8.GetBytes(key));
        ApiKey? found = null;
        foreach (var (known, owner) in all)
        {
            if (CryptographicOperations.FixedTimeEquals(known, hash))
                found = owner;
        }
        return found;
    }

    /// <summary>A new key of 244 random bits: of the system's generator, which makes the identifiers.</summary>
    public static string Create()
    {
        Span<byte> random = stackalloc byte[32];
        Guid.NewGuid().TryWriteBytes(random);
        Guid.NewGuid().TryWriteBytes(random[16..]);
        return Prefix + Convert.ToHexStringLower(random);
    }
}
