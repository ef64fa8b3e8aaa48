using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

namespace HotModel.Sessions;

/// <summary>Names of sessions: what clients may use, and new ones.</summary>
internal static class SessionId
{
    /// <summary>Fits a header, a file name and a table column.</summary>
    private const int MaxLength = 128;

    private static readonly SearchValues<char> Allowed =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");

    public static bool TryValidate(string id, [NotNullWhen(false)] out string? error)
    {
        // "." and ".." would vanish from the path of /admin/sessions/{id} before it is sent.
        var valid = id.Length is > 0 and <= MaxLength
            && !id.AsSpan().ContainsAnyExcept(Allowed)
            && id is not ("." or "..");
        error = valid
            ? null
            : "A session id has 1 to 128 of the characters A-Z a-z 0-9 . _ : - and is neither \".\" nor \"..\".";
        return valid;
    }

    /// <summary>22 URL-safe characters of a version 4 GUID: 122 random bits.</summary>
    public static string New()
    {
        Span<byte> bytes = stackalloc byte[16];
        Guid.NewGuid().TryWriteBytes(bytes);
        return Base64Url.EncodeToString(bytes);
    }
}
