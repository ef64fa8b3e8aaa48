System.Console.WriteLine("tiny");
